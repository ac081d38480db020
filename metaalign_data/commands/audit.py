"""audit: what a finished dataset is worth, in figures."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from metaalign_data.commands.catalog import wide_console
from metaalign_data.report.audit import AUDIT, audit_run

STYLES = {"ok": "green", "look at this": "bold red", "too few to tell": "yellow"}


def audit(args: argparse.Namespace) -> int:
    found = audit_run(Path(args.run), sample=args.sample, ask_judge=not args.no_judge)
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    console = wide_console()
    console.print(checks_table(found["checks"]))
    _print_figures(console, found)
    for part, why in found["left_out"].items():
        console.print(Text(f"left out     {part}: {why}", style="yellow"))
    console.print(Text(f"written to   {Path(args.run) / AUDIT}"))
    return 0


def checks_table(checks: list[dict[str, Any]]) -> Table:
    table = Table("check", "of", "share", "95 % interval", "n", "right", "")
    for check in checks:
        table.add_row(
            check["name"],
            check["scope"],
            _percent(check["value"]),
            f"{_percent(check['low'])} to {_percent(check['high'])}",
            f"{check['n']:,}",
            f"{check['at_least']:.0%} to {check['at_most']:.0%}",
            Text(check["status"], style=STYLES[check["status"]]),
        )
    return table


def _print_figures(console: Console, found: dict[str, Any]) -> None:
    figures = found["figures"]
    table = Table("figure", "", show_header=False)
    table.add_row("rows", f"{figures['rows']:,} over {figures['queries']:,} queries")
    table.add_row(
        "preferences",
        f"{figures['preferences']:,} distinct, {figures['preferences_apart']:,} without near-duplicates; "
        f"the most frequent in {_percent(figures['largest_preference_share'])} of the rows",
    )
    table.add_row(
        "in flips", f"{_percent(figures['flip_share'])} of the rows; in twins {_percent(figures['twin_share'])}"
    )
    for name in ("subset", "preference_kind", "preference_form", "placement", "rejected_because"):
        table.add_row(name.replace("_", " "), _shares(figures[name], figures["rows"]))
    table.add_row("user and rule", _shares(figures["standings"], figures["rows"]))
    refusals = figures["refusals"]
    table.add_row("refusals", f"{_percent(refusals['chosen'])} of chosen, {_percent(refusals['rejected'])} of rejected")
    if coverage := found.get("coverage"):
        for name, what in (("cells", ""), ("cells_by_subset", " x subset"), ("cells_by_kind", " x kind of query")):
            table.add_row(f"cells{what}", _covered(coverage[name]))
        for name in ("least", "most"):
            cells = ", ".join(f"{row['dimension']}.{row['value']} {row['rows']:,}" for row in coverage[name][:5])
            table.add_row(f"{name} covered", cells)
    if guesses := found.get("guesses"):
        table.add_row(
            "guesses", f"{guesses['answers']:,}; {_percent(guesses['first_share'])} name the response shown first"
        )
    console.print(table)


def _covered(counts: dict[str, Any]) -> str:
    return f"{_percent(counts['share'])}: {counts['covered']:,} of {counts['possible']:,}"


def _shares(counts: dict[str, int], rows: int) -> str:
    return ", ".join(f"{name} {n:,} ({_percent(n / rows)})" for name, n in counts.items())


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
