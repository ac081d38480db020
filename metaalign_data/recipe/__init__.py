"""Recipes: YAML in, a checked chain of stages with all settings out; every mistake at once, with its line."""

from metaalign_data.recipe.chain import StageSpec
from metaalign_data.recipe.model import Recipe
from metaalign_data.recipe.overrides import parse_overrides
from metaalign_data.recipe.settings import DatasetSettings

__all__ = ["DatasetSettings", "Recipe", "StageSpec", "parse_overrides"]
