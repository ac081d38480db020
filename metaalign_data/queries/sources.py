"""Where queries came from, for those who publish what was made of them."""

from pathlib import Path

from metaalign_data.queries.files import READERS
from metaalign_data.queries.read import BUNDLED
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
