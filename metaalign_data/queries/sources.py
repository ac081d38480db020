"""Where queries came from and what was in it, for those who publish or repeat what was made of them."""

import hashlib
from pathlib import Path

from metaalign_data.queries.files import READERS
from metaalign_data.queries.read import BUNDLED, find_file
from metaalign_data.queries.settings import QuerySettings

OUR_LICENSE = "Apache-2.0"


def query_sources(settings: QuerySettings) -> dict[str, str | None]:
    """Name of each source -> its licence, None where it is not known. Of a local file only the name is told."""
    stated = ", ".join(settings.license or ()) or None
    return dict(_named(source, stated) for source in (settings.source, settings.harmful) if source)


def _named(source: str, stated: str | None) -> tuple[str, str | None]:
    if source.partition(":")[0] == BUNDLED:
        return f"{source} (comes with metaalign-data)", OUR_LICENSE
    path = Path(source)
    return (path.name if path.suffix.lower() in READERS else source), stated


def content_hashes(settings: QuerySettings, folder: Path) -> dict[str, str]:
    """SHA-256 of each file of queries, by the key of the recipe that names it. A Hub dataset has its revision instead.

    Raises UserError where a file is missing.
    """
    files = {key: find_file(source, folder) for key in ("source", "harmful") if (source := getattr(settings, key))}
    return {f"queries.{key}": _sha256(path) for key, path in files.items() if path}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
