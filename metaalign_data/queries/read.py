"""From the `queries:` block of a recipe to Query records."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from metaalign_data.errors import UserError
from metaalign_data.queries.files import READERS
from metaalign_data.queries.hub import hub_rows
from metaalign_data.queries.rows import BadRow, to_queries
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.records import Query
from metaalign_data.resources import bundled

BUNDLED = "bundled"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_OTHER_FILES = {".json", ".txt", ".tsv", ".xlsx", ".xls", ".arrow", ".gz", ".zst", ".zip", ".yaml", ".yml"}
_ROWS_TO_TRY = 1_000


def read_queries(settings: QuerySettings, folder: Path) -> Iterator[Query | BadRow]:
    """Each row of the source as a Query or a BadRow, in order, until `settings.limit` queries have come.

    A relative path counts from `folder`. Raises UserError, at the latest when the first row is taken, when the source
    is missing, empty, unreadable, or lacks a column that the settings name.
    """
    path = find_file(settings.source, folder)
    rows = hub_rows(settings) if path is None else READERS[path.suffix.lower()](path, settings)
    empty = True
    for row in to_queries(rows, settings, settings.source if path is None else path.name):
        empty = False
        yield row
    if empty:
        raise UserError("holds no rows", where=str(path or settings.source))


def check_source(settings: QuerySettings, folder: Path) -> None:
    """Raises UserError when a file holds no usable query, having tried its first rows.

    Of a Hub dataset only the form of its id is checked: nothing is sent anywhere.
    """
    path = find_file(settings.source, folder)
    if path is None:
        return
    first_bad = None
    for row in islice(read_queries(settings, folder), _ROWS_TO_TRY):
        if isinstance(row, Query):
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
    if source == BUNDLED:
        return bundled("recipes") / "queries" / "everyday.jsonl"
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
