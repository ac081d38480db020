"""From the `queries:` block of a recipe to Query records."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.queries.files import READERS
from metaalign_data.queries.hub import hub_rows
from metaalign_data.queries.rows import BadRow, Read, to_queries
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.records import Query
from metaalign_data.resources import bundled

BUNDLED = "bundled"
EVERYDAY = "everyday"
HARMFUL_EVERY = 3
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_OTHER_FILES = {".json", ".txt", ".tsv", ".xlsx", ".xls", ".arrow", ".gz", ".zst", ".zip", ".yaml", ".yml"}
_ROWS_TO_TRY = 1_000


def read_queries(settings: QuerySettings, folder: Path) -> Iterator[Read]:
    """Each row of the source as a Query, an AnsweredQuery or a BadRow, until `settings.limit` good ones have come.

    Of the file of harmful queries one comes after every few of the others, and what is left of them at the end; under a
    limit, none beyond that. A relative path counts from `folder`. Raises UserError, at the latest when the first row is
    taken, when the source is missing, empty, unreadable, or lacks a column that the settings name.
    """
    harmful = _harmful(settings, folder) if settings.harmful else iter(())
    good = 0
    for row in _rows(settings, folder):
        yield row
        good += not isinstance(row, BadRow)
        if good and good % HARMFUL_EVERY == 0 and not isinstance(row, BadRow):
            yield from islice(harmful, 1)
    if settings.limit is None:
        yield from harmful


def _rows(settings: QuerySettings, folder: Path) -> Iterator[Read]:
    path = find_file(settings.source, folder)
    rows = hub_rows(settings) if path is None else READERS[path.suffix.lower()](path, settings)
    empty = True
    for row in to_queries(rows, settings, settings.source if path is None else path.name):
        empty = False
        yield row
    if empty:
        raise UserError("holds no rows", where=str(path or settings.source))


def _harmful(settings: QuerySettings, folder: Path) -> Iterator[Read]:
    own = settings.model_copy(update={"source": settings.harmful, "harmful": None, "limit": None})
    find_file(own.source, folder, "queries.harmful")
    for row in _rows(own, folder):
        yield row.model_copy(update={"harmful": True}) if isinstance(row, Query) else row


def check_source(settings: QuerySettings, folder: Path) -> None:
    """Raises UserError when a file holds no usable query, having tried its first rows.

    Of a Hub dataset only the form of its id is checked: nothing is sent anywhere.
    """
    path = find_file(settings.source, folder)
    if path is None:
        return
    first_bad = None
    if settings.harmful:
        check_source(settings.model_copy(update={"source": settings.harmful, "harmful": None}), folder)
    for row in islice(read_queries(settings, folder), _ROWS_TO_TRY):
        if not isinstance(row, BadRow):
            return
        first_bad = first_bad or row
    if first_bad:
        raise UserError(
            f"none of the first rows is usable: {first_bad.reason} ({first_bad.detail})", where=first_bad.where
        )


def find_file(source: str, folder: Path, where: str = "queries.source") -> Path | None:
    """The file that `source` names; None for a Hub dataset. Raises UserError when it is neither.

    `where` is the key of the recipe that holds it.
    """
    if source == BUNDLED or source.startswith(f"{BUNDLED}:"):
        return _bundled_file(source.partition(":")[2] or EVERYDAY, where)
    path = folder / os.path.expanduser(source)  # Path.expanduser raises on an unknown ~user
    suffix = path.suffix.lower()
    if suffix not in READERS:
        if _HUB_ID.fullmatch(source) and suffix not in _OTHER_FILES and not path.exists():
            return None
        raise UserError(
            f"'{source}' is neither a .jsonl, .csv or .parquet file nor a Hub dataset id (owner/name)",
            where=where,
        )
    if not path.is_file():
        raise UserError("is not a file" if path.exists() else "there is no such file", where=str(path))
    try:
        path.open("rb").close()
    except OSError as e:
        raise UserError(f"cannot be read: {e.strerror}", where=str(path)) from e
    return path


def _bundled_file(name: str, where: str) -> Path:
    files = {path.stem: path for path in (bundled("recipes") / "queries").glob("*.jsonl")}
    if name not in files:
        raise UserError(f"there is no bundled file '{name}'{did_you_mean(name, list(files))}", where=where)
    return files[name]
