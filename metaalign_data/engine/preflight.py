"""Everything that can be checked before a cent is spent; the chain of stages was checked when the recipe was loaded."""

from collections.abc import Callable

from metaalign_data.errors import UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import check_source
from metaalign_data.recipe import Recipe
from metaalign_data.registry import teacher_class
from metaalign_data.teacher.base import Client
from metaalign_data.teacher.settings import TeacherSettings

STAND_IN = "x"


def make_client(settings: TeacherSettings) -> Client:
    """The provider that the settings name, not yet wrapped in any layer."""
    cls = teacher_class(settings.provider)
    client: Client = cls(cls.Config(**settings.options))
    return client


def library_of(recipe: Recipe) -> Library:
    """Bundled prompts, with those in the `prompts/` folder beside the recipe before them."""
    own = recipe.folder / "prompts"
    return Library([own] if own.is_dir() else [])


def problems(recipe: Recipe, library: Library) -> list[str]:
    """What stands in the way of a run, one sentence each: queries, prompts, prices, keys, servers and models."""
    found: list[str] = []

    def collect(check: Callable[..., object], *args: object) -> None:
        try:
            check(*args)
        except UserError as e:
            found.append(str(e))

    collect(check_source, recipe.queries, recipe.folder)
    for name in library.names:
        collect(_renders, library, name)
    collect(library.taxonomy, recipe.preferences.taxonomy)
    collect(library.priorities, recipe.preferences.priorities)
    distinct = {s.model_dump_json(): (role, s) for role, s in (("judge", recipe.judge), ("teacher", recipe.teacher))}
    for role, settings in distinct.values():
        if recipe.budget.usd is not None and settings.price is None and settings.provider != "simulated":
            found.append(
                f"budget.usd cannot be held: the price of the {role} is unknown; "
                f"give {role}.price, or a budget in calls or tokens"
            )
        found.extend(f"{role}: {reason}" for reason in make_client(settings).check())
    return found


def preflight(recipe: Recipe, library: Library) -> None:
    """Raises UserError that lists every problem."""
    if found := problems(recipe, library):
        raise UserError("\n".join(found))


def _renders(library: Library, name: str) -> None:
    prompt = library.prompt(name)
    prompt.messages(**dict.fromkeys(prompt.front.inputs, STAND_IN))
    bundled = Library().names
    if name in bundled and set(prompt.front.inputs) != set(expected := Library().prompt(name).front.inputs):
        raise UserError(f"stands in for a bundled prompt, which takes {sorted(expected)}", where=str(prompt.path))
