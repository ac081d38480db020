"""calibrate: how often the judge says what people say."""

import argparse
import asyncio
import json
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from metaalign_data.calibrate import RESULT
from metaalign_data.calibrate import calibrate as ask_judges
from metaalign_data.commands.run import ERR
from metaalign_data.engine.flow import Stopped
from metaalign_data.errors import BudgetReached, UserError
from metaalign_data.recipe import Recipe
from metaalign_data.report.gold import columns_of, read_gold

_SHOWN_BAD_ROWS = 5


def calibrate(args: argparse.Namespace) -> int:
    recipe = _recipe(args)
    out = Path(args.out) if args.out else Path("runs") / f"{recipe.name}-calibration"
    gold = read_gold(Path(args.gold), columns_of(_assignments(args.column)))
    try:
        found = asyncio.run(ask_judges(recipe, islice(gold, args.limit), out, target=args.target))
    except BudgetReached as e:
        return _ended(3, f"{e}; raise the budget and run the same command again to go on", as_json=args.json)
    except Stopped:
        return _ended(130, "interrupted; run the same command again to go on", as_json=args.json)
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found, out)
    return 0


def _recipe(args: argparse.Namespace) -> Recipe:
    """The recipe whose judge is measured; with nothing but --judge-model, one that has no other purpose."""
    if not (args.recipe or args.judge_model or args.simulate):
        raise UserError("whose judge?", fix="give --recipe, --judge-model or --simulate")
    named = ["judge.provider=openai", f"judge.model={json.dumps(args.judge_model)}"] if args.judge_model else []
    recipe = Recipe.load(args.recipe or "quickstart", overrides=[*named, *args.set], trust=args.trust_recipe)
    return recipe.simulated() if args.simulate else recipe


def _assignments(texts: list[str]) -> dict[str, str]:
    given = {}
    for text in texts:
        field, equals, column = text.partition("=")
        if not equals:
            raise UserError(f"'{text}' is not of the form FIELD=COLUMN", where="--column")
        given[field.strip()] = column.strip()
    return given


def _ended(code: int, verdict: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": verdict}))
    ERR.print(verdict, markup=False, soft_wrap=True)
    return code


def _show(found: dict[str, Any], out: Path) -> None:
    console = Console(highlight=False)
    note = "; this says nothing of a real judge" if found["simulated"] else ""
    print(f"judge: {found['judge']}; {found['rows']} pairs judged{note}")
    for row in [*found["bad_rows"], *found["unjudged"]][:_SHOWN_BAD_ROWS]:
        ERR.print(f"{row['where']}: {row['reason']}: {row['detail']}", markup=False, soft_wrap=True)
    if lost := len(found["bad_rows"]) + len(found["unjudged"]):
        of_which = f"{len(found['bad_rows'])} of no use, {len(found['unjudged'])} without a verdict"
        ERR.print(f"{lost} rows do not count: {of_which}; all of them are in {RESULT}", soft_wrap=True)
    at = found["at_settings"]
    table = Table("", "pairs", "accuracy", "95% interval", title="How often judges and people say the same")
    kept = f"kept at min_agreement {at['min_agreement']:g}, min_margin {at['min_margin']:g}"
    table.add_row(f"{kept} ({_percent(at['yield'])} of all)", *_accuracy(at))
    table.add_row("single votes", *_accuracy(found["single_votes"]))
    for each in found["by_agreement"]:
        table.add_row(f"agreement {each['agreement']:.2f}", *_accuracy(each))
    for each in found["by_margin"]:
        table.add_row("margin below 0" if each["above"] is None else f"margin from {each['above']:g}", *_accuracy(each))
    console.print(table)
    console.print(_biases(found))
    print(_suggestion(found))
    print(f"written to {out / RESULT}")


def _accuracy(figures: dict[str, Any]) -> tuple[str, str, str]:
    interval = f"{_percent(figures['low'])} - {_percent(figures['high'])}" if figures["rows"] else "-"
    return str(figures["rows"]), _percent(figures["accuracy"]), interval


def _biases(found: dict[str, Any]) -> Table:
    judging = found["judging"]
    table = Table("judge", "ties", "same in both orders", "position bias", "kappa of the orders", title="Bias")
    several = len(judging["judges"]) > 1
    for each in [*judging["judges"], *([{"model": "all", **judging["all"]}] if several else [])]:
        table.add_row(
            escape(each["model"]),
            _percent(each["tied"]),
            _percent(each["swap_consistency"]),
            _signed(each["position_bias"]),
            _number(each["kappa_orders"]),
        )
    notes = [f"length bias against the labels {_signed(found['length_bias'])}"]
    notes += [
        f"kappa of judges {a} and {b} {_number(k['kappa'])}" for k in judging["kappa_judges"] for a, b in [k["judges"]]
    ]
    table.caption = "; ".join(notes)
    return table


def _suggestion(found: dict[str, Any]) -> str:
    best, target = found["suggested"], _percent(found["target"])
    if best is None:
        return f"no settings reach an accuracy of {target} on these pairs: take more votes, another judge or several"
    return (
        f"suggested for {target}: min_agreement {best['min_agreement']:g}, min_margin {best['min_margin']:g} "
        f"(accuracy {_percent(best['accuracy'])}, {_percent(best['low'])} - {_percent(best['high'])}, "
        f"keeps {_percent(best['yield'])})"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
