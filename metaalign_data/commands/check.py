"""validate and estimate: what can be known before a cent is spent."""

import argparse
import dataclasses
import json
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from metaalign_data.commands.run import load
from metaalign_data.engine.estimate import estimate as predict
from metaalign_data.engine.preflight import preflight
from metaalign_data.engine.wiring import library_of


def validate(args: argparse.Namespace) -> int:
    recipe = load(args)
    if args.simulate:
        recipe = recipe.simulated()
    preflight(recipe, library_of(recipe))
    stages = [spec.name for spec in recipe.stage_specs]
    if args.json:
        print(json.dumps({"ok": True, "name": recipe.name, "stages": stages}))
    else:
        print(f"{args.recipe} is in order: {' -> '.join(stages)}")
    return 0


def estimate(args: argparse.Namespace) -> int:
    recipe = load(args)
    if args.limit:
        recipe = recipe.limited(args.limit)
    found = predict(recipe, sample=args.sample)
    if args.json:
        print(json.dumps(dataclasses.asdict(found), default=str))
        return 0
    console = Console(highlight=False)
    console.print(f"{recipe.name}: {found.queries} queries; {found.sampled} of them tried with the simulated teacher")
    table = Table("", "low", "expected", "at most")
    for figure in found.figures:
        table.add_row(figure.name, *(_number(n) for n in (figure.low, figure.expected, figure.high)))
    console.print(table)
    return 0


def _number(n: Decimal | int | None) -> str:
    if n is None:
        return "no price"
    return f"${n:,.2f}" if isinstance(n, Decimal) else f"{n:,}"
