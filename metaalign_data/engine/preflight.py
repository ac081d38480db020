"""Everything that can be checked before a cent is spent; the chain of stages was checked when the recipe was loaded."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Set

from metaalign_data.embed.server import EmbeddingClient, EmbeddingServer
from metaalign_data.engine.context import book_at
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.wiring import make_client
from metaalign_data.errors import UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import check_source, check_texts
from metaalign_data.recipe import Recipe
from metaalign_data.stage import TextSource
from metaalign_data.stages.generate_responses import GenerateResponses
from metaalign_data.stages.judge import Judge
from metaalign_data.teacher.base import Unreachable
from metaalign_data.teacher.batch import Batching

LOG = logging.getLogger(__name__)
STAND_IN = "x"


def problems(recipe: Recipe, library: Library, met: Set[str] = frozenset()) -> list[str]:
    """What stands in the way of a run, one sentence each: queries, prompts, prices, keys, servers and models.

    `met` is as in `model_problems`.
    """
    found: list[str] = []

    def collect(check: Callable[..., object], *args: object) -> None:
        try:
            check(*args)
        except UserError as e:
            found.append(str(e))

    collect(check_source, recipe.queries, recipe.folder)
    for name in Library().names:
        collect(_renders, library, name)
    if recipe.preferences.source:
        collect(book_at, recipe.preferences.source, recipe.folder)
    collect(library.taxonomy, recipe.preferences.taxonomy)
    collect(library.priorities, recipe.preferences.priorities)
    for spec in recipe.stage_specs:
        for source in getattr(spec.stage, "reads", ()):
            if isinstance(source, TextSource):
                collect(check_texts, source, recipe.folder, f"stages.{spec.name}")
            else:
                collect(RunFolder(recipe.folder / source.run).pairs)
        if isinstance(spec.stage, Judge) and spec.stage.config.rubric:
            collect(library.rubric, spec.stage.config.rubric)
        server = getattr(getattr(spec.stage, "config", None), "embedder", None)
        if isinstance(server, EmbeddingServer):
            found.extend(f"{spec.name}.embedder: {reason}" for reason in server_problems(server, recipe))
        weaker = isinstance(spec.stage, GenerateResponses) and spec.stage.config.rivals.get("weaker")
        if weaker and recipe.weak_teacher is None:
            found.append(f"{spec.name}.rivals: weaker needs a model; name one in the recipe's weak_teacher")
    return [*found, *model_problems(recipe, met)]


def model_problems(recipe: Recipe, met: Set[str] = frozenset()) -> list[str]:
    """What stands in the way of asking teacher and judges: prices, keys, servers and models.

    `met` are the identities of clients that have answered this run before. One of several that has and is out of reach
    now is down, not mistaken: it is said in the log, and stands in the way only where all of them are.
    """
    found: list[str] = []
    down: dict[str, list[str]] = defaultdict(list)
    roles = [*(("judge", judge) for judge in recipe.judges), *(("teacher", teacher) for teacher in recipe.teachers)]
    roles += [("weak_teacher", recipe.weak_teacher)] if recipe.weak_teacher else []
    distinct = {settings.model_dump_json(): (role, settings) for role, settings in roles}
    several = Counter(role for role, _ in distinct.values())
    for role, settings in distinct.values():
        if recipe.budget.usd is not None and settings.known_price is None:
            found.append(
                f"budget.usd cannot be held: the price of the {role} is unknown; "
                f"give {role}.price, or a budget in calls or tokens"
            )
        client = make_client(settings)
        if settings.batch and not isinstance(client, Batching):
            found.append(f"{role}.batch: provider '{settings.provider}' has no Batch API; leave it out")
        for reason in client.check():
            passing = isinstance(reason, Unreachable) and client.identity in met and several[role] > 1
            (down[role] if passing else found).append(f"{role}: {reason}")
    for role, reasons in down.items():
        if len(reasons) == several[role]:
            found.extend(reasons)
        else:
            LOG.warning("%s; others stand in for it", "; ".join(reasons))
    return found


def server_problems(server: EmbeddingServer, recipe: Recipe) -> list[str]:
    """What stands in the way of asking an embedding server."""
    unpriced = "budget.usd cannot be held: the price is unknown; give price, or a budget in calls or tokens"
    no_price = recipe.budget.usd is not None and server.price is None
    return [*([unpriced] if no_price else []), *EmbeddingClient(server).check()]


def preflight(recipe: Recipe, library: Library, met: Set[str] = frozenset()) -> None:
    """Raises UserError that lists every problem. `met` is as in `model_problems`."""
    if found := problems(recipe, library, met):
        raise UserError("\n".join(found))


def _renders(library: Library, name: str) -> None:
    """Whether the prompt of this name can be filled in with what the bundled one takes."""
    inputs = Library().prompt(name).front.inputs
    library.prompt(name).messages(**dict.fromkeys(inputs, STAND_IN))
