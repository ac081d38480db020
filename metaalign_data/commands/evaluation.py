"""What is told of evaluations, of a dataset or a benchmark."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metaalign_data.engine.folder import write_atomically
from metaalign_data.errors import UserError


def written(found: Mapping[str, Any], out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "evaluation.json", json.dumps(found, indent=2).encode())
    return out


def named(paths: list[str]) -> dict[str, str]:
    """The models by the last part of their paths, or the whole where that is not enough to tell them apart."""
    if len(set(paths)) < len(paths):
        raise UserError("a model is named twice")
    short = [Path(path).parent.name if Path(path).name == "model" else Path(path).name for path in paths]
    names = short if len(set(short)) == len(paths) and all(short) else paths
    return dict(zip(names, paths, strict=True))


def share_text(told: Mapping[str, Any] | None) -> str:
    if not told:
        return "–"
    return f"{told['value']:.1%} ({told['low']:.0%}–{told['high']:.0%}) of {told['n']:,}"
