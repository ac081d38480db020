"""dedup: the stage of this name, on any file."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from pydantic import ValidationError
from rich.table import Table

from metaalign_data.commands.catalog import wide_console
from metaalign_data.duplicates import RuleName
from metaalign_data.embed import EmbedderName, Vectors
from metaalign_data.engine.embedding import Embedding, ask_alone
from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.stages.columns import PARTNERS, there
from metaalign_data.stages.dedup import VERDICT, Dedup

RULES: tuple[RuleName, ...] = ("exact", "lexical", "semantic")

READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None) if path.stat().st_size else pl.DataFrame(),
    ".csv": lambda path: pl.read_csv(path, infer_schema_length=None),
}
WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    ".parquet": lambda frame, path: frame.write_parquet(path),
    ".jsonl": lambda frame, path: frame.write_ndjson(path),
    ".csv": lambda frame, path: frame.write_csv(path),
}


class _Tools:
    """What the stage takes of a Context, outside a run. Notes go to stderr, each once: groups may be many."""

    def __init__(self, vectors: str | None) -> None:
        self._embedding = Embedding(Path(vectors) if vectors else None, ask_alone)
        self._told: set[str] = set()

    def embed(self, embedder: EmbedderName, texts: Sequence[str]) -> Vectors:
        return self._embedding.embed(embedder, texts)

    def note(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            print(sentence, file=sys.stderr)


def dedup(args: argparse.Namespace) -> int:
    source = Path(args.file)
    out = Path(args.out) if args.out else source.with_suffix(f".kept{source.suffix}")
    rejects = Path(args.rejects) if args.rejects else source.with_suffix(f".rejects{source.suffix}")
    for path in (source, out, rejects):
        if path.suffix not in READERS:
            raise UserError("is no .parquet, .jsonl or .csv file", where=str(path))
    for path in (out, rejects):
        if path.exists():
            raise UserError("is there already", where=str(path), fix="name another file or remove it")
        if not path.parent.is_dir():
            raise UserError("there is no such folder", where=str(path.parent), fix="make it, or name another")
    rows = _read(source, [*args.on, *filter(None, (args.keep, args.per, args.id))])
    verdicts = Dedup(_config(args)).compared(_named(rows, args), _Tools(args.vectors)).select(VERDICT)
    kept = verdicts["rule"].is_null()
    _write(rows.filter(kept), out)
    _write(rows.drop(VERDICT, strict=False).hstack(verdicts).filter(~kept), rejects)
    _tell(args, verdicts["rule"], out, rejects)
    return 0


def _tell(args: argparse.Namespace, rule: pl.Series, out: Path, rejects: Path) -> None:
    told: dict[str, int] = {"rows": len(rule), "kept": rule.null_count()}
    told |= {name: int((rule == name).sum()) for name in RULES}
    if args.json:
        print(json.dumps(told | {"out": str(out), "rejects": str(rejects)}))
        return
    table = Table(*told)
    table.add_row(*(f"{count:,}" for count in told.values()))
    wide_console().print(table)
    print(f"kept rows    {out}\ndropped rows {rejects}")


def _config(args: argparse.Namespace) -> Dedup.Config:
    """Raises UserError on a value that the stage refuses."""
    given = {
        "rules": args.rules and args.rules.split(","),
        "threshold": args.threshold,
        "lexical_threshold": args.lexical_threshold,
        "embedder": args.embedder,
    }
    if args.base_url:
        if not args.embedder:
            raise UserError("--base-url needs a model", fix="name it with --embedder")
        given["embedder"] = {"model": args.embedder, "base_url": args.base_url}
    settings = {name: value for name, value in given.items() if value is not None}
    try:
        return Dedup.Config(on=tuple(args.on), keep=args.keep, per=args.per, **settings)
    except ValidationError as e:
        wrong = e.errors()[0]
        raise UserError(wrong["msg"], where="--" + str(wrong["loc"][0]).replace("_", "-")) from e


def _read(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    try:
        rows = READERS[path.suffix](path)
    except FileNotFoundError as e:
        raise UserError("there is no such file", where=str(path)) from e
    except (pl.exceptions.PolarsError, OSError) as e:
        raise UserError(f"cannot be read: {str(e).splitlines()[0]}", where=str(path)) from e
    if not rows.width:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    for column in columns:
        if column not in rows.columns:
            raise UserError(f"has no column '{column}'{did_you_mean(column, rows.columns)}", where=str(path))
    return rows


def _named(rows: pl.DataFrame, args: argparse.Namespace) -> pl.DataFrame:
    """What is compared, with an `id` of text: the values of --id, else of a column `id` that names every row, else
    numbers of equal width, which sort as text too.
    """
    compared = rows.select(there(rows.lazy(), [*args.on, *filter(None, (args.keep, args.per)), *PARTNERS]))
    names = _names(rows, args.id or "id")
    if names is None and args.id:
        raise UserError(f"the column '{args.id}' does not name the rows: values are missing or repeat")
    if "id" in compared.columns and (names is None or args.id not in (None, "id")):
        raise UserError("the column 'id' cannot be compared: it does not name the rows", fix="rename it in the file")
    if names is None:
        names = pl.Series(range(1, rows.height + 1), dtype=pl.Int64).cast(pl.String).str.zfill(len(str(rows.height)))
    return compared.with_columns(id=names)


def _names(rows: pl.DataFrame, column: str) -> pl.Series | None:
    """The values of the column as text, if there is one of this name and no two rows share a value."""
    if column not in rows.columns or rows[column].dtype.is_nested():
        return None
    names = rows[column].cast(pl.String)
    return None if names.null_count() or names.n_unique() < rows.height else names


def _write(rows: pl.DataFrame, path: Path) -> None:
    try:
        WRITERS[path.suffix](rows, path)
    except (pl.exceptions.PolarsError, OSError) as e:
        raise UserError(f"cannot be written: {str(e).splitlines()[0]}", where=str(path)) from e
