"""validate and estimate: what can be known before a cent is spent."""

import argparse
import dataclasses
import json
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from metaalign_data.api import default_folder
from metaalign_data.commands.run import load
from metaalign_data.engine.estimate import Estimate
from metaalign_data.engine.estimate import estimate as predict
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.preflight import preflight
from metaalign_data.engine.wiring import library_of
from metaalign_data.recipe import Recipe


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
    found = _tried_for_real(recipe, args) if args.real else predict(recipe, sample=args.sample)
    if args.json:
        print(json.dumps(dataclasses.asdict(found), default=str))
        return 0
    console = Console(highlight=False)
    by = "the recipe's own models" if found.real else "the simulated teacher: yours may write longer answers"
    console.print(f"{recipe.name}: {found.queries} queries; {found.sampled} of them tried with {by}")
    table = Table("", "low", "expected", "high", "at most")
    for figure in found.figures:
        table.add_row(figure.name, *(_number(n) for n in (figure.low, figure.expected, figure.high, figure.at_most)))
    console.print(table)
    notes = [note for settings in (*recipe.teachers, *recipe.judges) for note in settings.price_notes]
    for sentence in dict.fromkeys(notes):
        console.print(Text(sentence))
    return 0


def _tried_for_real(recipe: Recipe, args: argparse.Namespace) -> Estimate:
    """The answers stay in the ledger of the run that is estimated."""
    recipe = recipe.simulated() if args.simulate else recipe
    preflight(recipe, library_of(recipe))
    folder = RunFolder(Path(args.out) if args.out else default_folder(recipe, simulate=args.simulate))
    with folder.held():
        return predict(recipe, sample=args.sample, ledger=folder.ledger)


def _number(n: Decimal | int | None) -> str:
    if n is None:
        return "no price"
    if not isinstance(n, Decimal):
        return f"{n:,}"
    return f"${n:,.2f}" if n >= 1 else f"${n:.4f}"
