"""evaluate --benchmark: models on a benchmark of the field."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from metaalign_data.commands.catalog import wide_console
from metaalign_data.commands.evaluation import named, share_text, written
from metaalign_data.commands.with_trainer import trainer
from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.prompting import meta_prompt
from metaalign_data.resources import bundled

if TYPE_CHECKING:
    from metaalign_trainer.evaluate.shapes import Mapped

READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".jsonl": pl.read_ndjson,
    ".csv": pl.read_csv,
}


def evaluate_benchmark(args: argparse.Namespace) -> int:
    with trainer():
        import torch

        from metaalign_trainer.evaluate.score import Scorer
        from metaalign_trainer.evaluate.shapes import benchmark, items
        from metaalign_trainer.model import load_model
        from metaalign_trainer.start import renderer_of

        mapped = _mapping(args.benchmark)
        questions = items(_rows(args.data, (args.split or ["test"])[0])[: args.limit], mapped, args.data)
        reference = load_model(args.reference, torch.float32) if args.reference else None
        found: dict[str, Any] = {"data": args.data, "mapping": mapped.model_dump(), "models": {}}
        for name, path in named([args.model, *args.baseline]).items():
            scorer = Scorer(load_model(path, torch.float32), renderer_of(path), args.max_length, "meta", reference)
            told = benchmark(scorer, questions, mapped.tier, meta_prompt, args.measure, args.seed)
            found["models"][name] = {"path": path, **told}
    out = written(found, Path(args.out))
    if args.json:
        print(json.dumps(found))
        return 0
    table = Table("model", "contexts right", "all contexts of a question right", "too long", title=args.data)
    for name, told in found["models"].items():
        table.add_row(Text(name), share_text(told["contexts"]), share_text(told["questions"]), f"{told['too_long']:,}")
    wide_console().print(table)
    print(f"more in {out / 'evaluation.json'}")
    return 0


def _mapping(name: str) -> "Mapped":
    """A file, or a bundled mapping by its name."""
    from metaalign_trainer.evaluate.shapes import Mapped

    known = {path.stem: path for path in (bundled("recipes") / "benchmarks").glob("*.yaml")}
    path = known.get(name, Path(name))
    if not path.is_file():
        what = f"there is no mapping '{name}': no such file, and no bundled one of that name"
        raise UserError(what + did_you_mean(name, list(known)))
    try:
        return Mapped.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as e:
        raise UserError(f"is no YAML: {e}", where=str(path)) from e
    except ValidationError as e:
        wrong = e.errors()[0]
        raise UserError(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}", where=str(path)) from e


def _rows(source: str, split: str) -> list[dict[str, Any]]:
    path = Path(source)
    if reader := READERS.get(path.suffix.lower()):
        try:
            rows: list[dict[str, Any]] = reader(path).to_dicts()
            return rows
        except (pl.exceptions.PolarsError, OSError) as e:
            raise UserError(f"cannot be read: {str(e).splitlines()[0]}", where=source) from e
    from datasets import load_dataset

    try:
        return list(load_dataset(source, split=split))
    except Exception as e:  # datasets raises errors of every library below it
        raise UserError(f"cannot be loaded: {next(iter(str(e).splitlines()), type(e).__name__)}", where=source) from e
