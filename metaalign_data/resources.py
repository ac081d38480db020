"""Where the bundled prompts and recipes are: the only place that knows.

An installed wheel holds them as metaalign_data/_prompts and metaalign_data/_recipes; a checkout has them beside the
package. An editable install leaves frozen copies in site-packages: they lie in another folder than this file, so they
are never looked at.
"""

from pathlib import Path
from typing import Literal

Kind = Literal["prompts", "recipes"]

TRAINING = "train-"
"""How the names of the recipes begin that train a model; the others make a dataset."""


def bundled(kind: Kind) -> Path:
    """Folder of the bundled files of this kind. Raises FileNotFoundError when the installation is damaged."""
    package = Path(__file__).parent
    for folder in (package / f"_{kind}", package.parent / kind):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the bundled {kind} are missing: reinstall metaalign-data")


def bundled_recipes(*, training: bool = False) -> dict[str, Path]:
    """The bundled recipes that make a dataset, or those that train a model, by name."""
    files = sorted(bundled("recipes").glob("*.yaml"))
    return {file.stem: file for file in files if file.stem.startswith(TRAINING) == training}
