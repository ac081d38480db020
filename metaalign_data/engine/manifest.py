"""manifest.json: what a run was made with, what became of each row, and what it cost."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from metaalign_data.engine.folder import write_atomically
from metaalign_data.errors import UserError

State = Literal["running", "done", "failed", "budget_reached", "interrupted"]

_PACKAGES = (
    "metaalign-data",
    "datasets",
    "openai",
    "polars",
    "pydantic",
    "sentence-transformers",
    "torch",
    "transformers",
)


def software() -> dict[str, str]:
    """Versions of Python and of the installed packages that can shape a result."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in the folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n").encode())


def read_manifest(path: Path) -> dict[str, Any]:
    """Raises UserError when `path` is not the manifest of a run."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(
            "no run here: manifest.json is missing", where=str(path.parent), fix="give the directory of a run"
        ) from e
    except (OSError, ValueError) as e:
        raise UserError(f"cannot be read: {e}", where=str(path)) from e
    if not isinstance(content, dict) or "state" not in content:
        raise UserError("is not the manifest of a run", where=str(path))
    return content
