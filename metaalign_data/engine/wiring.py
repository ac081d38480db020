"""From the words of a recipe to the objects that a run works with."""

from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from metaalign_data.registry import teacher_class
from metaalign_data.teacher.base import Client
from metaalign_data.teacher.settings import TeacherSettings


def make_client(settings: TeacherSettings) -> Client:
    """The provider that the settings name, not yet wrapped in any layer."""
    cls = teacher_class(settings.provider)
    client: Client = cls(cls.Config(**settings.options))
    return client


def library_of(recipe: Recipe) -> Library:
    """Bundled prompts, with those in the `prompts/` folder beside the recipe before them."""
    own = recipe.folder / "prompts"
    return Library([own] if own.is_dir() else [])
