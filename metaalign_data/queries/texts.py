"""Texts that rows are compared with: every row of a file or of a Hub dataset, or an error.

A benchmark that was read in part would look clean where it is not, so one bad row is enough to refuse all.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.queries.hub import hub_rows
from metaalign_data.queries.read import find_file
from metaalign_data.queries.rows import RawRow
from metaalign_data.queries.settings import QuerySettings
from metaalign_data.stage import OutsideText, TextSource

KNOWN_COLUMNS = ("query", "question", "prompt", "instruction", "problem", "text", "turns", "messages")
"""Where benchmarks keep what they ask, in the order in which it is looked for."""


def read_texts(source: TextSource, folder: Path, where: str = "against") -> Iterator[OutsideText]:
    """Each text with its place, in order; rows without text are left out. Relative paths count from `folder`.

    Raises UserError when the source is missing, empty or unreadable, at the first row that is broken, and when the
    column is not there or holds neither text, nor a list of texts, nor messages. `where` is the source's place in the
    recipe.
    """
    path = find_file(source.source, folder, where)
    column, empty = source.text, True
    for row in _hub(source) if path is None else READERS[path.suffix.lower()](path):
        empty = False
        column = column or _known_column(row)
        if column not in row.values:
            raise UserError(f"there is no column '{column}'{did_you_mean(column, list(row.values))}", where=row.where)
        if text := _text(row.values[column], column, row.where):
            yield OutsideText(row.where, text)
    if empty:
        raise UserError("holds no rows", where=str(path or source.source))


def check_texts(source: TextSource, folder: Path, where: str) -> None:
    """Raises UserError as `read_texts` does. Of a Hub dataset only the form of its id is checked."""
    if find_file(source.source, folder, where) is not None:
        for _ in read_texts(source, folder, where):
            pass


def _hub(source: TextSource) -> Iterator[RawRow]:
    for row in hub_rows(QuerySettings(**source.model_dump(exclude={"text"}))):
        if isinstance(row, RawRow):
            yield row


def _jsonl(path: Path) -> Iterator[RawRow]:
    for number, line in enumerate(_lines(path), 1):
        where = f"{path.name}:{number}"
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise UserError(f"is not valid JSON: {e}", where=where) from e
        if not isinstance(values, dict):
            raise UserError("is not an object with columns", where=where)
        yield RawRow(values, where)


def _csv(path: Path) -> Iterator[RawRow]:
    reader = csv.DictReader(_lines(path), strict=True)
    try:
        for values in reader:
            where = f"{path.name}:{reader.line_num}"
            if None in values or None in values.values():
                raise UserError("has not as many fields as the header", where=where)
            yield RawRow(values, where)
    except csv.Error as e:
        raise UserError(f"is not valid CSV: {e}", where=f"{path.name}:{reader.line_num}") from e


def _parquet(path: Path) -> Iterator[RawRow]:
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as e:
        raise UserError(f"is not a readable parquet file: {str(e).splitlines()[0]}", where=str(path)) from e
    for number, values in enumerate(table.iter_rows(named=True), 1):
        yield RawRow(values, f"{path.name}:{number}")


READERS: dict[str, Callable[[Path], Iterator[RawRow]]] = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from file
    except UnicodeDecodeError as e:
        raise UserError("is not UTF-8", where=str(path), fix="save it as UTF-8") from e


def _known_column(row: RawRow) -> str:
    for name in KNOWN_COLUMNS:
        if name in row.values:
            return name
    names = ", ".join(map(str, row.values))
    raise UserError(f"which column holds the text? there are {names}", where=row.where, fix="name it with 'text'")


def _text(value: object, column: str, where: str) -> str:
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case list():
            return "\n".join(filter(None, (_text(_content(part), column, where) for part in value)))
    raise UserError(f"{column} is {type(value).__name__}, not text", where=where)


def _content(part: Any) -> object:
    return part["content"] if isinstance(part, Mapping) and "content" in part else part
