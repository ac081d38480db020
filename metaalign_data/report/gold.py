"""Comparisons that people have made, from a file: what a judge is measured against."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.queries.files import READERS
from metaalign_data.queries.rows import BadRow, RawRow
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.records import Preference, Query, Response, ResponseSet, Scenario, Side

FIELDS = ("system_info", "user_info", "query", "a", "b", "label")
_MAY_BE_EMPTY = ("system_info", "user_info")
_LABELS: dict[str, Literal["a", "b"]] = {"a": "a", "b": "b"}
_MAP = "name your columns with --column FIELD=COLUMN (nothing after the = where there is none)"
_NOBODY_SAYS = Preference(text="gold", kind="explicit", form="statement", dimension="gold", value="gold")
"""The meta-prompt of a gold row is given; no preference is known to have made it."""


@dataclass(frozen=True)
class GoldPair:
    """Responses 0 and 1 of `responses` (one side, brought in) are a and b; `label` is the one that people prefer."""

    responses: ResponseSet
    label: Literal["a", "b"]
    where: str


@dataclass(frozen=True)
class BadPair:
    """A row that is of no use. `where` is "file:line", the row number in a file without lines."""

    reason: str
    detail: str
    where: str


def columns_of(given: Mapping[str, str]) -> dict[str, str]:
    """Column by field: each field's own name unless `given` names another; "" where there is none.

    Raises UserError for an unknown field, and where one that is needed has no column.
    """
    for field, column in given.items():
        if field not in FIELDS:
            raise UserError(f"'{field}' is no field of a gold file{did_you_mean(field, FIELDS)}", where="--column")
        if not column and field not in _MAY_BE_EMPTY:
            raise UserError(f"{field} needs a column", where="--column")
    return {field: given.get(field, field) for field in FIELDS}


def read_gold(path: Path, columns: Mapping[str, str]) -> Iterator[GoldPair | BadPair]:
    """Each row of a .jsonl, .csv or .parquet file, in order. `columns` are those of `columns_of`.

    Raises UserError when the file cannot be read, holds no rows, or lacks a column.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        what = "there is no such file" if reader else "is no .jsonl, .csv or .parquet file"
        raise UserError(what, where=str(path))
    wanted = {field: column for field, column in columns.items() if column}
    rows = reader(path, QuerySettings(source=str(path), text=tuple(dict.fromkeys(wanted.values()))))
    empty, first = True, True
    while (row := _next(rows)) is not None:
        empty = False
        if isinstance(row, BadRow):
            yield BadPair(row.reason, row.detail, row.where)
            continue
        if first and (missing := [column for column in wanted.values() if column not in row.values]):
            raise UserError(_no_column(missing[0], list(row.values)), where=row.where, fix=_MAP)
        first = False
        yield _pair(row, wanted, path)
    if empty:
        raise UserError("holds no rows", where=str(path))


def _no_column(name: str, present: Sequence[str]) -> str:
    return f"there is no column '{name}'{did_you_mean(name, present)}"


def _next(rows: Iterator[RawRow | BadRow]) -> RawRow | BadRow | None:
    """None at the end. What a reader says of a column is said of `queries` in a recipe: here it is a gold file's."""
    try:
        return next(rows, None)
    except UserError as e:
        what = e.what.replace(" (queries.text)", "")
        raise UserError(what, where=e.where, fix=e.fix if what == e.what else _MAP) from e


def _pair(row: RawRow, columns: Mapping[str, str], path: Path) -> GoldPair | BadPair:
    found = dict.fromkeys(_MAY_BE_EMPTY, "")
    for field, column in columns.items():
        value: Any = row.values.get(column)
        if not isinstance(value, str | None):
            return BadPair("wrong_type", f"{column} is {type(value).__name__}, not text", row.where)
        found[field] = (value or "").strip()
        if not found[field] and field not in _MAY_BE_EMPTY:
            return BadPair("empty_text", f"{column} is empty", row.where)
        if found[field].encode(errors="replace").decode() != found[field]:
            return BadPair("invalid_utf8", f"{column} holds an invalid character", row.where)
    label = _LABELS.get(found["label"].lower())
    if label is None:
        return BadPair("bad_label", f"{columns['label']} must be a or b, is {found['label'][:40]!r}", row.where)
    if found["a"] == found["b"]:
        return BadPair("identical_responses", "a and b are the same text", row.where)
    return GoldPair(_response_set(found, row.where, path), label, row.where)


def _response_set(found: Mapping[str, str], where: str, path: Path) -> ResponseSet:
    side = Side(
        system_info=found["system_info"],
        user_info=found["user_info"],
        preference=_NOBODY_SAYS,
        placement="user_info",
        target="",
        rejected_because="judged_worse",
    )
    query = Query(key=where, text=found["query"], source=path.name)
    texts = (found["a"], found["b"])
    return ResponseSet(
        scenario=Scenario(subset="helpful", query=query, question=query.text, sides=(side,)),
        responses=tuple(Response(side=None, source="given", text=text, model="gold") for text in texts),
    )
