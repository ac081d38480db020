"""init and export: files in, files out."""

import argparse
import json
from pathlib import Path

from metaalign_data.dataset.formats import export as export_dataset
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.resources import TRAINING, bundled_recipes


def init(args: argparse.Namespace) -> int:
    target = Path(args.file)
    recipes = bundled_recipes() | bundled_recipes(training=True)
    if args.source not in recipes:
        raise UserError(f"no bundled recipe '{args.source}'{did_you_mean(args.source, list(recipes))}")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(recipes[args.source].read_text(encoding="utf-8"))
    except FileExistsError as e:
        raise UserError("is there already", where=str(target), fix="name another file or remove it") from e
    except OSError as e:
        raise UserError(f"cannot be written: {e.strerror}", where=str(target)) from e
    command = "train" if args.source.startswith(TRAINING) else "validate"
    print(
        json.dumps({"recipe": str(target)}) if args.json else f"wrote {target}; next: metaalign-data {command} {target}"
    )
    return 0


def export(args: argparse.Namespace) -> int:
    run = Path(args.run)
    manifest = read_manifest(run / "manifest.json")
    if manifest["dataset"] is None:
        what = f"the run has made no dataset ({manifest['state']}: {manifest['verdict']})"
        raise UserError(what, where=str(run), fix="run its recipe to the end")
    files = export_dataset(run / "dataset", args.format, Path(args.out))
    print(json.dumps({"files": [str(f) for f in files]}) if args.json else "\n".join(f"wrote {f}" for f in files))
    return 0
