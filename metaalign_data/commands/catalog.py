"""stages and prompts: what there is to build with."""

import argparse
import inspect
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from metaalign_data.dataset.columns import COLUMNS
from metaalign_data.engine.wiring import library_of
from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from metaalign_data.records import PreferencePair
from metaalign_data.registry import stage_class, stage_names, stage_types, summary_of


def _flow(cls: type) -> tuple[str, str]:
    types = stage_types(cls)
    if types is None:
        return "a table", "the same table"
    taken, given = types
    return taken.__name__, given.__name__


def _settings(cls: type) -> dict[str, Any]:
    config = getattr(cls, "Config", None)
    return config.model_json_schema().get("properties", {}) if config else {}


def stages(args: argparse.Namespace) -> int:
    names = [args.name] if args.name else stage_names()
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        cls = stage_class(name)
        takes, gives = _flow(cls)
        found[name] = {
            "does": summary_of(cls),
            "takes": takes,
            "gives": gives,
            "settings": _settings(cls),
            "columns": COLUMNS["pairs"] if gives == PreferencePair.__name__ else {},
        }
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    console = wide_console()
    if args.name:
        console.print(inspect.getdoc(stage_class(args.name)), markup=False, highlight=False)
    table = Table("setting", "default", "meaning") if args.name else Table("stage", "takes", "gives", "what it does")
    for name, stage in found.items():
        if args.name:
            for key, field in stage["settings"].items():
                table.add_row(key, json.dumps(field.get("default")), field.get("description", ""))
        else:
            table.add_row(name, stage["takes"], stage["gives"], stage["does"])
    console.print(table)
    if args.name and (columns := found[args.name]["columns"]):
        told = Table("column that it gives", "what it holds")
        for column, meaning in columns.items():
            told.add_row(column, meaning)
        console.print(told)
    return 0


def prompts(args: argparse.Namespace) -> int:
    library = library_of(Recipe.load(args.recipe)) if args.recipe else Library()
    if args.name:
        prompt = library.prompt(args.name)
        print(
            json.dumps({"version": prompt.version, "file": str(prompt.path)})
            if args.json
            else prompt.path.read_text(encoding="utf-8")
        )
        return 0
    found = [library.prompt(name) for name in library.names]
    if args.json:
        print(
            json.dumps(
                [{"id": p.front.id, "version": p.version, "inputs": p.front.inputs, "file": str(p.path)} for p in found]
            )
        )
        return 0
    table = Table("prompt", "version", "inputs", "answers with", "file")
    table.columns[0].no_wrap = True
    for p in found:
        table.add_row(
            p.front.id, p.version.partition("@")[2], ", ".join(p.front.inputs), p.front.output or "text", _short(p.path)
        )
    wide_console().print(table)
    return 0


def wide_console() -> Console:
    """A pipe has no width: nothing is cut there."""
    console = Console()
    return console if console.is_terminal else Console(width=240)


def _short(path: Path) -> str:
    """Path under the current folder where it is, else in full."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
