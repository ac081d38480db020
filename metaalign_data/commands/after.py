"""retry-failed, doctor, schema."""

import argparse
import dataclasses
import json
from pathlib import Path

from rich.console import Console
from rich.text import Text

from metaalign_data import api
from metaalign_data.commands.run import told
from metaalign_data.engine.again import forget_unusable, spoiled_rows
from metaalign_data.engine.doctor import examine
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.errors import UserError
from metaalign_data.recipe import Recipe
from metaalign_data.recipe.schema import recipe_schema
from metaalign_data.teacher.ledger_care import salvage


def retry_failed(args: argparse.Namespace) -> int:
    folder = RunFolder(Path(args.run))
    manifest = read_manifest(folder.manifest)
    if not folder.asked.exists():
        fix = "run its recipe again with this version first"
        raise UserError("the run did not write down what it asked", where=str(folder.root), fix=fix)
    recipe = recipe_of(folder, manifest, trust=args.trust_recipe)
    ledger = folder.root / manifest["ledger"]
    with folder.held():
        rows = spoiled_rows(folder).height
        forgotten = forget_unusable(folder, ledger)
    if not rows:
        print(json.dumps({"retried": 0}) if args.json else "nothing failed: every row had the answers that it needed")
        return 0
    if not args.json:
        print(f"{rows:,} rows had no usable answer; asking them anew ({forgotten:,} answers are set aside)", flush=True)
    return told(api.run(recipe, out=folder.root, ledger=ledger, progress=True), as_json=args.json, rows=0, reasons=True)


def recipe_of(folder: RunFolder, manifest: dict[str, object], *, trust: bool) -> Recipe:
    """The recipe that the run was made by; its relative paths count from where it stood then."""
    return Recipe.load(folder.recipe, trust=trust, folder=Path(str(manifest["recipe_folder"])))


def doctor(args: argparse.Namespace) -> int:
    folder = RunFolder(Path(args.run))
    ledger = _ledger(folder)
    if args.salvage:
        saved = salvage(ledger, Path(args.salvage))
        told = f"copied {saved:,} answers to {args.salvage}; to use them, put that file in the place of {ledger}"
        print(json.dumps({"saved": saved, "ledger": args.salvage}) if args.json else told)
        return 0
    found = examine(folder, ledger)
    fine = all(each.fine for each in found)
    if args.json:
        print(json.dumps({"fine": fine, "findings": [dataclasses.asdict(each) for each in found]}, ensure_ascii=False))
        return 0 if fine else 1
    console = Console(soft_wrap=True, highlight=False)
    for each in found:
        console.print(Text(f"{each.about:10} {each.what}", style="" if each.fine else "red"))
        if each.fix:
            console.print(Text(f"{'':10} -> {each.fix}"))
    return 0 if fine else 1


def schema(args: argparse.Namespace) -> int:
    print(json.dumps(recipe_schema(), indent=None if args.json else 2, ensure_ascii=False))
    return 0


def _ledger(folder: RunFolder) -> Path:
    """Where the manifest says that it is; where nothing can be read there, where a run puts it."""
    try:
        return folder.root / str(read_manifest(folder.manifest).get("ledger", folder.ledger.name))
    except UserError:
        return folder.ledger
