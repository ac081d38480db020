"""A trained model, to the Hugging Face Hub. The token comes from the environment (HF_TOKEN) or the Hub's own log-in."""

from pathlib import Path

from metaalign_trainer.errors import TrainerError


def push(model: Path, repository: str, *, private: bool) -> str:
    """Upload a model folder in one commit, to a repository (owner/name) that is made where there is none.

    Returns its address. Raises TrainerError where the Hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=model, commit_message="Upload the trained model")
    except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OSError) as e:
        raise TrainerError(
            f"{repository}: the Hub did not take the model: {str(e).splitlines()[0]}; look at the name and the token "
            f"(HF_TOKEN); the model is in {model}"
        ) from e
    return str(commit.repo_url)
