"""Rows of .jsonl, .csv and .parquet files, streamed."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.errors import UserError
from metaalign_data.queries.rows import BadRow, RawRow, check_columns, snippet, wanted
from metaalign_data.queries.settings import QuerySettings

MAX_ROW_BYTES = 16 * 2**20
"""No usable text is longer: 100,000 characters take 1.2 MB in the longest JSON spelling."""

_PARQUET_BATCH = 10_000
_TEXT_TYPES = (pl.String, pl.Categorical, pl.Enum, pl.Null)

Rows = Iterator[RawRow | BadRow]


def jsonl_rows(path: Path, settings: QuerySettings) -> Rows:
    """One JSON object a line; blank lines are no rows."""
    for number, line in _lines(path):
        where = f"{path.name}:{number}"
        raw = snippet(line[:1000].decode(errors="replace"))
        if len(line) > MAX_ROW_BYTES:
            yield BadRow("row_too_long", f"more than {MAX_ROW_BYTES:,} bytes", where, raw)
        elif line.strip():
            yield _json_row(line, where, raw)


def csv_rows(path: Path, settings: QuerySettings) -> Rows:
    """Comma-separated with a header line; a quoted field may hold line breaks."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))  # of the whole process; the default is 128 kB
    # Invalid bytes become lone surrogates, which are found where the row becomes a Query.
    lines = (line.decode(errors="surrogateescape") for _, line in _lines(path))
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    while True:
        where = f"{path.name}:{reader.line_num + 1}"
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            if header is None:
                raise UserError(f"the header cannot be read: {e}", where=where) from e
            yield BadRow("invalid_csv", str(e), where, "")
            continue
        if not fields:
            continue
        if header is None:
            header = _header(fields, settings, where)
        elif len(fields) != len(header):
            yield BadRow("invalid_csv", f"{len(fields)} fields; the header has {len(header)}", where, snippet(fields))
        else:
            yield RawRow(dict(zip(header, fields, strict=True)), where)


def parquet_rows(path: Path, settings: QuerySettings) -> Rows:
    """Only the columns that the settings name are read, a batch at a time."""
    try:
        table = pl.scan_parquet(path)
        schema = table.collect_schema()
        check_columns(schema.names(), settings, str(path))
        _check_types(schema, settings, path)
        columns = [name for _, name in wanted(settings, schema.names())]
        texts = [name for name in columns if isinstance(schema[name], _TEXT_TYPES) and name != settings.id]
        table = table.select(pl.col(list(dict.fromkeys(columns)))).with_columns(pl.col(texts).cast(pl.String))
        offset = 0
        while (batch := table.slice(offset, _PARQUET_BATCH).collect()).height:
            for number, values in enumerate(batch.iter_rows(named=True), offset + 1):
                yield RawRow(values, f"{path.name}:{number}")
            offset += batch.height
    except (pl.exceptions.PolarsError, OSError) as e:
        raise UserError(f"is not a readable parquet file: {str(e).splitlines()[0]}", where=str(path)) from e


READERS: dict[str, Callable[[Path, QuerySettings], Rows]] = {
    ".jsonl": jsonl_rows,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines and their numbers from 1. Of a line beyond MAX_ROW_BYTES only the start is kept."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_ROW_BYTES + 1):
            number += 1
            if number == 1:
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise UserError("is UTF-16", where=str(path), fix="save it as UTF-8")
                line = line.removeprefix(b"\xef\xbb\xbf")
            rest = line
            while len(rest) > MAX_ROW_BYTES and not rest.endswith(b"\n"):
                rest = file.readline(MAX_ROW_BYTES + 1)
            yield number, line


def _json_row(line: bytes, where: str, raw: str) -> RawRow | BadRow:
    try:
        value: Any = json.loads(line.decode().strip())
    except UnicodeDecodeError as e:
        return BadRow("invalid_utf8", f"byte 0x{line[e.start]:02x} at position {e.start}", where, raw)
    except json.JSONDecodeError as e:
        return BadRow("invalid_json", f"{e.msg}, at position {e.pos}", where, raw)
    except (ValueError, RecursionError) as e:  # a number of thousands of digits; thousands of brackets
        return BadRow("invalid_json", str(e), where, raw)
    if not isinstance(value, dict):
        return BadRow("wrong_type", f"is {type(value).__name__}, not an object with columns", where, raw)
    return RawRow(value, where)


def _header(fields: list[str], settings: QuerySettings, where: str) -> list[str]:
    check_columns(fields, settings, where)
    for _, name in wanted(settings, fields):
        if fields.count(name) > 1:
            raise UserError(f"the header names the column '{name}' twice", where=where)
    return fields


def _check_types(schema: pl.Schema, settings: QuerySettings, path: Path) -> None:
    for key, name in wanted(settings, schema.names()):
        is_text = isinstance(schema[name], _TEXT_TYPES) or (settings.answered and isinstance(schema[name], pl.List))
        if key != "id" and not is_text:
            raise UserError(f"column '{name}' holds {schema[name]}, not text", where=str(path))
    if settings.id and not (isinstance(schema[settings.id], _TEXT_TYPES) or schema[settings.id].is_integer()):
        raise UserError(
            f"column '{settings.id}' holds {schema[settings.id]}, not text or whole numbers", where=str(path)
        )
