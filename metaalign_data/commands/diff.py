"""diff: two versions of a dataset beside each other."""

import argparse
import json
from typing import Any

from rich.table import Table
from rich.text import Text

from metaalign_data.commands.catalog import wide_console
from metaalign_data.commands.push import quiet_in_pipes
from metaalign_data.hub.versions import diff as compare
from metaalign_data.hub.versions import read_version


def diff(args: argparse.Namespace) -> int:
    quiet_in_pipes()
    found = compare(read_version(args.a), read_version(args.b))
    if args.json:
        print(json.dumps({"a": args.a, "b": args.b} | found, ensure_ascii=False))
        return 0
    console = wide_console()
    rows = Table("rows")
    for ending in ("added", "removed", "changed", "same"):
        rows.add_column(ending, justify="right")
    for subset, counts in found["rows"].items():
        rows.add_row(subset, *(f"{n:,}" for n in counts.values()))
    console.print(rows)
    if found["columns"]:
        console.print(Text("changed in   " + ", ".join(f"{name} {n:,}" for name, n in found["columns"].items())))
    figures = Table("figure")
    for version in (args.a, args.b, "difference"):
        figures.add_column(Text(version), justify="right")
    for name, (a, b) in found["figures"].items():
        figures.add_row(Text(name), _number(a), _number(b), _difference(a, b))
    console.print(figures)
    return 0


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def _difference(a: Any, b: Any) -> str:
    if a == b:
        return "="
    change = (b or 0) - (a or 0)
    return f"{'+' if change > 0 else ''}{_number(change)}"
