"""Build datasets for inference-time preference alignment, and train and evaluate models on them.

from metaalign_data import Recipe, run

result = run(Recipe.load("recipe.yaml"))
result.pairs()
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaalign_data.api import RunResult, arun, run
    from metaalign_data.errors import MetaalignError, UserError
    from metaalign_data.recipe import Recipe
    from metaalign_data.records import Judgement, Preference, PreferencePair, Query, Record, ResponseSet, Scenario
    from metaalign_data.stage import Context, Reject, RowStage, Stage, TableStage

__version__ = "0.1.0"

__all__ = [
    "Context",
    "Judgement",
    "MetaalignError",
    "Preference",
    "PreferencePair",
    "Query",
    "Recipe",
    "Record",
    "Reject",
    "ResponseSet",
    "RowStage",
    "RunResult",
    "Scenario",
    "Stage",
    "TableStage",
    "UserError",
    "arun",
    "run",
]

_HOME = {
    **dict.fromkeys(("RunResult", "arun", "run"), "api"),
    **dict.fromkeys(("MetaalignError", "UserError"), "errors"),
    "Recipe": "recipe",
    **dict.fromkeys(
        ("Judgement", "Preference", "PreferencePair", "Query", "Record", "ResponseSet", "Scenario"), "records"
    ),
    **dict.fromkeys(("Context", "Reject", "RowStage", "Stage", "TableStage"), "stage"),
}


def __getattr__(name: str) -> object:
    """Names are loaded when they are first used, so that `metaalign-data --help` answers at once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"metaalign_data.{_HOME[name]}"), name)
