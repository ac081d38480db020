"""A few queries taken through a recipe's row stages, and what that asks of each model."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import polars as pl

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.engine.context import StageContext
from metaalign_data.engine.feed import Feed
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.run import Runner
from metaalign_data.engine.session import open_session
from metaalign_data.engine.wiring import library_of
from metaalign_data.prompting import Library
from metaalign_data.queries import Read
from metaalign_data.recipe import Recipe
from metaalign_data.records import Query
from metaalign_data.stage import RowStage
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.ledger import ledger_key
from metaalign_data.teacher.limiter import CHARS_PER_TOKEN
from metaalign_data.teacher.schema import strict_schema
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.simulated import SimulatedTeacher
from metaalign_data.teacher.structured import Structured
from metaalign_data.teacher.trail import leave

AT_ONCE = 4
"""Queries that a real teacher works on at the same time."""


@dataclass(frozen=True)
class Asked:
    """One request. `own`: it holds the text of its query, so that no other query can ask the same."""

    role: str
    key: str
    prompt: str
    own: bool
    prompt_tokens: int
    completion_tokens: int
    max_tokens: int


@dataclass(frozen=True)
class Trial:
    """What each query asked, and the pairs that came of all of them."""

    asked: tuple[tuple[Asked, ...], ...]
    pairs: int


@dataclass
class _Noting:
    """A teacher that notes what it is asked, re-asked questions too."""

    inner: Teacher
    role: str
    query: str
    asked: list[Asked] = field(default_factory=list)

    async def complete(self, request: ChatRequest) -> Completion:
        answer = await self.inner.complete(request)
        key = ledger_key(self.role, request)
        own = any(self.query in message.content for message in request.messages)
        prompt = request.prompt.partition("@")[0]
        usage = answer.usage
        self.asked.append(
            Asked(self.role, key, prompt, own, usage.prompt_tokens, usage.completion_tokens, request.max_tokens)
        )
        return answer


@dataclass
class _Simulated:
    """The simulated teacher as one that leaves a trail, as a ledger would.

    It stands in for the model of `settings`: where that is a real one, the JSON Schema of an answer counts as prompt,
    since most servers put it there and charge for it.
    """

    inner: Teacher
    settings: TeacherSettings

    async def complete(self, request: ChatRequest) -> Completion:
        leave(ledger_key("simulated", request))
        answer = await self.inner.complete(request)
        if request.output is None or self.settings.is_simulated:
            return answer
        schema_tokens = ceil(len(json.dumps(strict_schema(request.output))) / CHARS_PER_TOKEN)
        usage = answer.usage.model_copy(update={"prompt_tokens": answer.usage.prompt_tokens + schema_tokens})
        return answer.model_copy(update={"usage": usage})


@dataclass(frozen=True)
class _Models:
    teacher: Teacher
    judges: tuple[Teacher, ...]
    weak_teacher: Teacher | None


async def simulated_trial(recipe: Recipe, queries: Sequence[Read]) -> Trial:
    """With the simulated teacher in every role: nothing is sent anywhere."""
    simulated = SimulatedTeacher(SimulatedTeacher.Config())
    weak = _Simulated(simulated, recipe.weak_teacher) if recipe.weak_teacher else None
    judges = tuple(_Simulated(simulated, judge) for judge in recipe.judges)
    models = _Models(_Simulated(simulated, recipe.teachers[0]), judges, weak)
    return await _try(recipe, queries, models, len(queries))


async def real_trial(recipe: Recipe, queries: Sequence[Read], ledger: Path) -> Trial:
    """With the recipe's own models, through ledger and budget: what is asked here, the run does not ask again.

    Requests go one by one, also where the run would ask by batches. Raises what asking raises.
    """
    unbatched = recipe.unbatched()
    async with open_session(unbatched, ledger, library_of(recipe)) as session:
        weak = session.weak_teacher
        models = _Models(_inner(session.teacher), tuple(map(_inner, session.judges)), weak and _inner(weak))
        return await _try(recipe, queries, models, AT_ONCE)


def _inner(stack: Teacher) -> Teacher:
    """What is below the layer that asks again: `_Noting` goes between the two."""
    return stack.inner if isinstance(stack, Structured) else stack


async def _try(recipe: Recipe, queries: Sequence[Read], models: _Models, at_once: int) -> Trial:
    library, slots = library_of(recipe), asyncio.Semaphore(at_once)

    async def one(query: Read) -> tuple[tuple[Asked, ...], int]:
        async with slots:
            return await _one(recipe, query, models, library)

    fed = list(Feed(recipe, library).pass_over(queries))
    tried = await asyncio.gather(*map(one, fed))
    return Trial(tuple(asked for asked, _ in tried), sum(pairs for _, pairs in tried))


async def _one(recipe: Recipe, query: Read, models: _Models, library: Library) -> tuple[tuple[Asked, ...], int]:
    text = query.text if isinstance(query, Query) else ""
    noted: list[_Noting] = []

    def noting(role: str, model: Teacher, attempts: int) -> Teacher:
        noted.append(_Noting(model, role, text))
        return Structured(noted[-1], library, attempts)

    teacher = noting("teacher", models.teacher, recipe.teachers[0].json_attempts)
    judges = tuple(
        noting(f"judge {i}", judge, settings.json_attempts)
        for i, (judge, settings) in enumerate(zip(models.judges, recipe.judges, strict=True))
    )
    weak = None
    if models.weak_teacher and recipe.weak_teacher:
        weak = noting("weak teacher", models.weak_teacher, recipe.weak_teacher.json_attempts)

    def context(stage: str) -> StageContext:
        return StageContext(library, teacher, judges, recipe.seed, stage, weak, recipe.folder)

    specs = [spec for spec in recipe.stage_specs if isinstance(spec.stage, RowStage)]
    with tempfile.TemporaryDirectory() as scratch:
        rows = await Runner(specs, RunFolder(Path(scratch)), context, window=1).run([query])
        pairs = rows.select(pl.len()).collect().item()
    return tuple(asked for each in noted for asked in each.asked), pairs
