"""Where queries came from and what was in it, for those who publish or repeat what was made of them."""

import hashlib
from pathlib import Path

from metaalign_data.queries.files import READERS
from metaalign_data.queries.hub import hub_licences
from metaalign_data.queries.read import BUNDLED, find_file
from metaalign_data.queries.settings import QuerySettings

OUR_LICENSE = "Apache-2.0"


def query_sources(settings: QuerySettings) -> dict[str, tuple[str, ...]]:
    """Name of each source -> its licences, none where they are not known. Of a local file only the name is told.

    What the recipe states comes first; of a dataset on the Hub that it states nothing of, the Hub is asked.
    """
    sources = (source for source in (settings.source, settings.harmful) if source)
    return dict(_named(source, settings) for source in sources)


def _named(source: str, settings: QuerySettings) -> tuple[str, tuple[str, ...]]:
    if source.partition(":")[0] == BUNDLED:
        return f"{source} (comes with metaalign-data)", (OUR_LICENSE,)
    path, stated = Path(source), settings.license or ()
    if path.suffix.lower() in READERS:
        return path.name, stated
    return source, stated or hub_licences(source, settings.revision)


def content_hashes(settings: QuerySettings, folder: Path) -> dict[str, str]:
    """SHA-256 of each file of queries, by the key of the recipe that names it. A Hub dataset has its revision instead.

    Raises UserError where a file is missing.
    """
    files = {key: find_file(source, folder) for key in ("source", "harmful") if (source := getattr(settings, key))}
    return {f"queries.{key}": _sha256(path) for key, path in files.items() if path}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
