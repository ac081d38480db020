"""evaluate --benchmark: models on a benchmark of the field."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from metaalign_data.commands.catalog import wide_console
from metaalign_data.commands.evaluation import named, share_text, written
from metaalign_data.commands.rubric_benchmark import rubric_figures
from metaalign_data.commands.with_trainer import trainer
from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.prompting import meta_prompt
from metaalign_data.resources import bundled

if TYPE_CHECKING:
    from metaalign_trainer.evaluate.shapes import Mapped

FIGURES = {
    "contexts": "contexts right",
    "questions": "questions right",
    "score": "mean score, 1 to 5",
}
READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".jsonl": pl.read_ndjson,
    ".csv": pl.read_csv,
}


def evaluate_benchmark(args: argparse.Namespace) -> int:
    with trainer():
        mapped = _mapping(args.benchmark)
        rows = _rows(args.data, (args.split or ["test"])[0])[: args.limit]
        models = named([args.model, *args.baseline])
        found: dict[str, Any] = {"data": args.data, "mapping": mapped.model_dump()}
        found["models"] = (rubric_figures if mapped.shape == "rubrics" else _figures)(models, rows, mapped, args)
    out = written(found, Path(args.out))
    if find_spec("matplotlib"):
        from metaalign_trainer.evaluate.plot import plot_benchmark

        plot_benchmark(found["models"], args.data, out / "evaluation.png")
    if args.json:
        print(json.dumps(found))
        return 0
    for table in _tables(found["models"], args.data):
        wide_console().print(table)
    print(f"more in {out / 'evaluation.json'}")
    return 0


def _figures(
    models: Mapping[str, str], rows: Sequence[Mapping[str, Any]], mapped: "Mapped", args: argparse.Namespace
) -> dict[str, Any]:
    """Model -> what part of the questions it gets right."""
    from metaalign_trainer.evaluate.score import Scorer
    from metaalign_trainer.evaluate.shapes import benchmark, items
    from metaalign_trainer.model import model_in_use
    from metaalign_trainer.start import renderer_of

    if args.judge:
        raise UserError("a judge scores answers that are written, and here they are given", fix="leave out --judge")
    questions = items(rows, mapped, args.data, args.seed)
    reference = model_in_use(args.reference) if args.reference else None
    found = {}
    for name, path in models.items():
        scorer = Scorer(model_in_use(path), renderer_of(path), args.max_length, "meta", reference)
        found[name] = {"path": path, **benchmark(scorer, questions, mapped, meta_prompt, args.measure, args.seed)}
    return found


def _tables(models: Mapping[str, Any], title: str) -> Iterator[Table]:
    first = next(iter(models.values()))
    shown = {name: FIGURES[name] for name in FIGURES if name in first}
    table = Table("model", *shown.values(), "left out", title=title, title_justify="left")
    for name, told in models.items():
        left_out = ", ".join(f"{reason} {n:,}" for reason, n in told["left_out"].items()) or "0"
        table.add_row(Text(name), *(_text(figure, told[figure]) for figure in shown), Text(left_out))
    yield table
    for name, told in models.items():
        if told.get("matrix"):
            places = range(1, len(told["matrix"]) + 1)
            matrix = Table("context", *(f"answer {j}" for j in places), title=f"{name}: which answer is likeliest")
            for i, shares in zip(places, told["matrix"], strict=True):
                matrix.add_row(str(i), *(f"{each:.0%}" for each in shares))
            yield matrix


def _text(figure: str, told: Mapping[str, Any] | None) -> str:
    if told and figure == "score":
        return f"{told['value']:.2f} ({told['low']:.2f}–{told['high']:.2f}) of {told['n']:,}"
    return share_text(told)


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
        raise UserError(
            f"{': '.join([*map(str, wrong['loc']), wrong['msg'].removeprefix('Value error, ')])}", where=str(path)
        ) from e


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
