"""evaluate: whether models follow preferences that are given at inference time."""

import argparse
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from metaalign_data.commands.benchmark import evaluate_benchmark
from metaalign_data.commands.catalog import wide_console
from metaalign_data.commands.evaluation import named, share_text, written
from metaalign_data.commands.win_rate import win_rates
from metaalign_data.commands.with_trainer import trainer
from metaalign_data.errors import UserError

SHOWN = ("all", "split", "unseen combinations", "conflicts", "matrix_cell", "subset", "preference_kind")
"""Groups of the table; of the cells only conflicts. By dimension and by every cell there is more in evaluation.json."""
NAMES = {"matrix_cell": "conflict", "preference_kind": "kind"}


def evaluate(args: argparse.Namespace) -> int:
    if args.measure == "reward" and not args.reference:
        raise UserError("rewards are measured against a model", fix="name it with --reference")
    if args.benchmark:
        return evaluate_benchmark(args)
    if args.judge and not args.baseline:
        raise UserError("a judge compares with another model", fix="name one with --baseline")
    with trainer():
        from metaalign_trainer.evaluate.dataset import SPLITS, Settings, evaluated, test_rows

        settings = Settings(
            source=args.data,
            splits=tuple(args.split or SPLITS),
            limit=args.limit,
            measure=args.measure,
            reference=args.reference,
            prompts="none" if args.no_meta_prompt else "meta",
            max_length=args.max_length,
            seed=args.seed,
        )
        models = named([args.model, *args.baseline])
        found = evaluated(models, settings)
        if args.judge:
            found["win_rates"] = win_rates(models, test_rows(settings), args)
    out = written(found, Path(args.out))
    if find_spec("matplotlib"):
        from metaalign_trainer.evaluate.plot import plot

        plot(found["models"], out / "evaluation.png")
    if args.json:
        print(json.dumps(found))
    else:
        _print(found, out)
    return 0


def _table(found: Mapping[str, Any]) -> Table:
    models = found["models"]
    table = Table("rows", title=f"{found['data']}: right by {found['measure']}, 95 % intervals", title_justify="left")
    first = next(iter(models.values()))["figures"]
    shares = ["flips", "pairs"]
    if first["all"]["all"]["twins"]:
        shares.append("twins")
    for name in models:
        for number, share in enumerate(shares):
            table.add_column(f"{'' if number else name}\n{share}", justify="right")
    for column in SHOWN:
        for value in first.get(column, {}):
            if column == "matrix_cell" and not value.endswith("/conflicts"):
                continue
            told = [model["figures"].get(column, {}).get(value, {}) for model in models.values()]
            cells = [share_text(figures.get(share)) for figures in told for share in shares]
            title = column if value in ("all", column) else f"{NAMES.get(column, column)}: {value}"
            table.add_row(Text(title), *cells)
    return table


def _print(found: Mapping[str, Any], out: Path) -> None:
    models = found["models"]
    console = wide_console()
    console.print(_table(found))
    for name, gains in found["gains"].items():
        gain = gains["all"]
        told = f"{gain['value']:+.1%} of the pairs ({gain['low']:+.1%} to {gain['high']:+.1%}, {gain['n']:,} rows)"
        console.print(Text(f"{next(iter(models))} against {name}: {told}"))
    for name, met in found.get("win_rates", {}).items():
        points = share_text(met["rate"]) if met["rate"] else "nothing decided"
        score = f"{met['wins']} won, {met['ties']} tied, {met['losses']} lost, {met['undecided']} without a verdict"
        score += f", {met['left_out']} left out" if met["left_out"] else ""
        console.print(Text(f"answers judged against {name}: {points}; {score}"))
    for name, told in models.items():
        if told["rejected"]:
            one = told["rejected"][0]
            lead = f"{name}: {len(told['rejected']):,} rows left out, such as {one['id']}"
            console.print(Text(f"{lead}: {one['reason']}, {one['detail']}", style="yellow"))
    console.print(Text(f"more in {out / 'evaluation.json'}"))
