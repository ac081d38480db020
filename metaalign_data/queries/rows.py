"""One row of a source becomes a Query or a BadRow."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.records import AnsweredQuery, Query, digest

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
    "missing_response",
    "identical_responses",
    "several_turns",  # a conversation of more than one turn
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


class Unusable(Exception):
    """What a row lacks."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail


def snippet(value: object) -> str:
    """The start of a row, for a person to recognise it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text[:_RAW_CHARS].encode(errors="replace").decode()


def check_columns(columns: Iterable[str], settings: QuerySettings, where: str) -> None:
    """Raises UserError when a column that the settings name is not among `columns`."""
    present = list(columns)
    for key, name in wanted(settings, present):
        if name not in present:
            raise UserError(f"there is no column '{name}' (queries.{key}){did_you_mean(name, present)}", where=where)


Read = Query | AnsweredQuery | BadRow


def to_queries(rows: Iterable[RawRow | BadRow], settings: QuerySettings, source: str) -> Iterator[Read]:
    """Each row once, in order; ends after `settings.limit` good ones. AnsweredQuery where responses come with them.

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
            answered = answers_of(row.values, settings) if settings.answered else {}
            key = digest(query.key, *answered["responses"]) if answered else query.key
            _claim(key, seen, "duplicate_text" if settings.id is None else "duplicate_id")
        except Unusable as e:
            yield BadRow(e.reason, e.detail, row.where, snippet(row.values))
            continue
        yield AnsweredQuery(query=query, **answered) if answered else query
        good += 1
        if good == settings.limit:
            return


def wanted(settings: QuerySettings, present: Collection[str]) -> list[tuple[str, str]]:
    """Key and column of all that is read. The text may be left out where a conversation that is chosen holds it."""
    text = [("text", name) for name in settings.text]
    if settings.chosen and not any(name in present for _, name in text):
        text = []
    return [*text, *([("id", settings.id)] if settings.id else []), *settings.extra_columns]


def _query(values: Mapping[str, Any], settings: QuerySettings, source: str) -> Query:
    columns = wanted(settings, values)
    for _, name in columns:
        if name not in values:
            raise Unusable("missing_column", f"no '{name}'; there: {', '.join(map(str, values))}")
    if settings.chosen and not any(key == "text" for key, _ in columns):
        parts = [before(values[settings.chosen], settings.chosen)]
    else:
        given = {
            name: last(values[name], name, "user") if settings.answered else values[name] for name in settings.text
        }
        parts = [part_of(name, value) for name, value in given.items()]
    text = "\n\n".join(part for part in parts if part)
    if not text:
        raise Unusable("empty_text", f"{' and '.join(settings.text)} without text")
    if len(text) > MAX_CHARS:
        raise Unusable("text_too_long", f"{len(text):,} characters; at most {MAX_CHARS:,}")
    key = digest(text) if settings.id is None else _key(settings.id, values[settings.id])
    return Query(key=key, text=text, source=source)


def part_of(name: str, value: object) -> str:
    """The text of a column, stripped; "" for a null. Raises Unusable where it is none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable("wrong_type", f"{name} is {type(value).__name__}, not text")
    return _valid(name, value).strip()


def answers_of(values: Mapping[str, Any], settings: QuerySettings) -> dict[str, Any]:
    """The fields of an AnsweredQuery but its query. Raises Unusable where a response is missing or they are alike."""
    if settings.responses is None:
        columns = [name for name in (settings.chosen, settings.rejected) if name]
        given = [part_of(name, last(values[name], name, "assistant")) for name in columns]
    elif len(settings.responses) == 1 and isinstance(values[settings.responses[0]], list):
        name = settings.responses[0]
        given = [part_of(name, each) for each in values[name]]
    else:
        given = [part_of(name, values[name]) for name in settings.responses]
    if len(given) < 2 or not all(given):
        raise Unusable("missing_response", f"{sum(map(bool, given))} responses with text; two are needed")
    if len(set(given)) < len(given):
        raise Unusable("identical_responses", given[0][:80])
    named = {"system_info": settings.system_info, "user_info": settings.user_info, "model": settings.model}
    return {"responses": tuple(given)} | {key: part_of(name, values[name]) for key, name in named.items() if name}


def last(value: object, name: str, role: str) -> object:
    """The text, or of messages the last one's, which has to be by `role`."""
    if not isinstance(value, list):
        return value
    message = _messages(value, name)[-1]
    if message.get("role") != role:
        raise Unusable("wrong_type", f"{name} does not end with a message by the {role}")
    return message.get("content")


def before(value: object, name: str) -> str:
    """What a conversation asks before its last message: one turn of the user, perhaps after a system message."""
    if not isinstance(value, list):
        raise Unusable("missing_column", f"no column of the query, and {name} is no conversation that holds it")
    asked = [message for message in _messages(value, name)[:-1] if message.get("role") != "system"]
    if [message.get("role") for message in asked] != ["user"]:
        raise Unusable("several_turns", f"{name} has {len(asked)} turns before the response; one is taken")
    return part_of(name, asked[0].get("content"))


def _messages(value: list[Any], name: str) -> list[Mapping[str, Any]]:
    if not value or not all(isinstance(message, Mapping) for message in value):
        raise Unusable("wrong_type", f"{name} is a list, but not of messages")
    return value


def _key(name: str, value: object) -> str:
    if value is None or value == "":
        raise Unusable("missing_id", f"{name} is empty")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unusable("wrong_type", f"{name} is {type(value).__name__}, not text or a whole number")
    return _valid(name, str(value))


def _valid(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise Unusable("invalid_utf8", f"{name} holds an invalid character at position {e.start}") from e
    return text


def _claim(key: str, seen: set[int], reason: Reason) -> None:
    mark = int(digest(key), 16)
    if mark in seen:
        raise Unusable(reason, f"an earlier row has it, too: {key[:80]}")
    seen.add(mark)
