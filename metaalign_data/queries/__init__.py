"""Reads a user's queries: .jsonl, .csv or .parquet files, a Hub dataset, or the bundled ones.

Files are streamed. A row that cannot be used comes out as a `BadRow` that says why; a file that cannot be used at all
raises UserError.
"""

from metaalign_data.queries.read import check_source, find_file, read_queries
from metaalign_data.queries.rows import MAX_CHARS, BadRow, Read
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.queries.texts import check_texts, read_texts

__all__ = [
    "MAX_CHARS",
    "BadRow",
    "QuerySettings",
    "Read",
    "check_source",
    "check_texts",
    "find_file",
    "read_queries",
    "read_texts",
]
