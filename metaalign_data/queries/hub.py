"""A dataset on the Hugging Face Hub: its rows, streamed, and its licence."""

from metaalign_data.errors import UserError
from metaalign_data.queries.files import Rows
from metaalign_data.queries.rows import RawRow
from metaalign_data.queries.settings import QuerySettings

HUB_TIMEOUT_S = 20.0


def hub_rows(settings: QuerySettings) -> Rows:
    """Raises UserError with the Hub's own words when the dataset cannot be loaded or the stream breaks."""
    from datasets import load_dataset

    name = settings.source
    try:
        stream = load_dataset(name, settings.config, split=settings.split, revision=settings.revision, streaming=True)
        for number, values in enumerate(stream, 1):
            yield RawRow(values, f"{name}[{settings.split}]:{number}")
    except Exception as e:  # datasets raises errors of every library below it
        said = next(iter(str(e).splitlines()), "")
        raise UserError(f"cannot be loaded from the Hub: {type(e).__name__}: {said}", where=name) from e


def hub_licences(name: str, revision: str | None) -> tuple[str, ...]:
    """What the dataset's card says; nothing where it says nothing, or cannot be read."""
    from huggingface_hub import HfApi

    try:
        card = HfApi().dataset_info(name, revision=revision, timeout=HUB_TIMEOUT_S).card_data
    except Exception:  # a finished run does not fail for this; the client raises errors of every library below it
        return ()
    stated = (card.get("license_name") or card.get("license") or ()) if card else ()
    return (stated,) if isinstance(stated, str) else tuple(map(str, stated))
