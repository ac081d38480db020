"""The built-in stages: `from metaalign_data.stages import Dedup`."""

from importlib import import_module
from typing import TYPE_CHECKING

from metaalign_data.registry import BUILT_IN

if TYPE_CHECKING:
    from metaalign_data.stages.check_preferences import CheckPreferences
    from metaalign_data.stages.decontaminate import Decontaminate
    from metaalign_data.stages.dedup import Dedup
    from metaalign_data.stages.explain_pairs import ExplainPairs
    from metaalign_data.stages.generate_responses import GenerateResponses
    from metaalign_data.stages.judge import Judge
    from metaalign_data.stages.pair import Pair
    from metaalign_data.stages.sample_preferences import SamplePreferences
    from metaalign_data.stages.split import Split
    from metaalign_data.stages.take_responses import TakeResponses

__all__ = [
    "CheckPreferences",
    "Decontaminate",
    "Dedup",
    "ExplainPairs",
    "GenerateResponses",
    "Judge",
    "Pair",
    "SamplePreferences",
    "Split",
    "TakeResponses",
]

_HOME = {name: module for module, name in (target.split(":") for target in BUILT_IN["stage"].values())}


def __getattr__(name: str) -> object:
    """Loaded when first used: what one stage needs, the others do not wait for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
