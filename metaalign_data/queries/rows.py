"""One row of a source becomes a Query or a BadRow."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.records import Query, digest

MAX_CHARS = 100_000
_RAW_CHARS = 500

Reason = Literal[
    "invalid_utf8",
    "invalid_json",
    "invalid_csv",
    "row_too_long",  # more bytes than any usable text can take
    "missing_column",
    "wrong_type",
    "empty_text",
    "text_too_long",
    "missing_id",
    "duplicate_id",
    "duplicate_text",  # where the text is the id
]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that holds no usable query. `where` is "file:line" (a file without lines: its row number from 1).

    `raw` is the start of the row as it was found.
    """

    reason: Reason
    detail: str
    where: str
    raw: str


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as a file holds it, not yet looked at."""

    values: Mapping[str, Any]
    where: str


class _Unusable(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail


def snippet(value: object) -> str:
    """The start of a row, for a person to recognise it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text[:_RAW_CHARS].encode(errors="replace").decode()


def check_columns(columns: Iterable[str], settings: QuerySettings, where: str) -> None:
    """Raises UserError when a column that the settings name is not among `columns`."""
    present = list(columns)
    for key, name in _wanted(settings):
        if name not in present:
            raise UserError(f"there is no column '{name}' (queries.{key}){did_you_mean(name, present)}", where=where)


def to_queries(rows: Iterable[RawRow | BadRow], settings: QuerySettings, source: str) -> Iterator[Query | BadRow]:
    """Each row once, in order; ends after `settings.limit` good ones.

    Raises UserError when the first row lacks a column that the settings name: all the others will, too. Keeps eight
    bytes of each id in memory, to find duplicates.
    """
    seen: set[int] = set()
    good = 0
    first = True
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        if first:
            check_columns(row.values, settings, row.where)
            first = False
        try:
            query = _query(row.values, settings, source)
            _claim(query.key, seen, "duplicate_text" if settings.id is None else "duplicate_id")
        except _Unusable as e:
            yield BadRow(e.reason, e.detail, row.where, snippet(row.values))
            continue
        yield query
        good += 1
        if good == settings.limit:
            return


def _wanted(settings: QuerySettings) -> list[tuple[str, str]]:
    return [*(("text", name) for name in settings.text), *([("id", settings.id)] if settings.id else [])]


def _query(values: Mapping[str, Any], settings: QuerySettings, source: str) -> Query:
    for _, name in _wanted(settings):
        if name not in values:
            raise _Unusable("missing_column", f"no '{name}'; there: {', '.join(map(str, values))}")
    parts = [_part(name, values[name]) for name in settings.text]
    text = "\n\n".join(part for part in parts if part)
    if not text:
        raise _Unusable("empty_text", f"{' and '.join(settings.text)} without text")
    if len(text) > MAX_CHARS:
        raise _Unusable("text_too_long", f"{len(text):,} characters; at most {MAX_CHARS:,}")
    key = digest(text) if settings.id is None else _key(settings.id, values[settings.id])
    return Query(key=key, text=text, source=source)


def _part(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Unusable("wrong_type", f"{name} is {type(value).__name__}, not text")
    return _valid(name, value).strip()


def _key(name: str, value: object) -> str:
    if value is None or value == "":
        raise _Unusable("missing_id", f"{name} is empty")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Unusable("wrong_type", f"{name} is {type(value).__name__}, not text or a whole number")
    return _valid(name, str(value))


def _valid(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise _Unusable("invalid_utf8", f"{name} holds an invalid character at position {e.start}") from e
    return text


def _claim(key: str, seen: set[int], reason: Reason) -> None:
    mark = int(digest(key), 16)
    if mark in seen:
        raise _Unusable(reason, f"an earlier row has it, too: {key[:80]}")
    seen.add(mark)
