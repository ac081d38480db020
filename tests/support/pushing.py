"""What a test of a push asks the loopback Hub for, and does there as somebody else."""

from huggingface_hub import CommitOperationAdd, HfApi

from loopback_hub.server import LoopbackHub

NAME = "tester/prefs"


def contents(hub: LoopbackHub, name: str = NAME, revision: str = "main", kind: str = "dataset") -> dict[str, bytes]:
    """Every file of a repository."""
    files = hub.store.repo(kind, name, hub.store.users["hf_writer"]).at(revision).files
    return {path: hub.store.blobs[entry.sha256] for path, entry in files.items()}


def titles(api: HfApi, name: str = NAME) -> list[str]:
    """Of the commits, the newest first."""
    return [commit.title for commit in api.list_repo_commits(name, repo_type="dataset")]


def tags(api: HfApi, name: str = NAME) -> dict[str, str]:
    return {tag.name: tag.target_commit for tag in api.list_repo_refs(name, repo_type="dataset").tags}


def edit(api: HfApi, path: str, content: bytes, name: str = NAME) -> None:
    """Somebody's commit of one file."""
    api.create_commit(name, [CommitOperationAdd(path, content)], commit_message=f"edit {path}", repo_type="dataset")
