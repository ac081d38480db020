"""Rows of a dataset on the Hugging Face Hub, streamed."""

from metaalign_data.errors import UserError
from metaalign_data.queries.files import Rows
from metaalign_data.queries.rows import RawRow
from metaalign_data.queries.settings import QuerySettings


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
