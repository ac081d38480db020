"""What a benchmark was run on."""

import os
import platform
from importlib.metadata import version


def machine(*packages: str) -> dict[str, str | int | None]:
    """Cores, system, Python, and the versions of these packages and of this one."""
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("metaalign-data", *packages)},
    }
