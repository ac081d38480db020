"""What a run will ask and cost, from a sample that the simulated teacher answers: nothing is sent anywhere.

Calls and prompt tokens come from the real stages and prompts. Completion tokens cannot be known: the expected ones are
as long as the simulated teacher's answers, the highest are `max_tokens` for each call. A teacher that answers with
malformed JSON is asked again, which comes on top; the budget holds all the same.
"""

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from metaalign_data.chat import ChatRequest, Completion, Usage
from metaalign_data.engine.context import StageContext
from metaalign_data.engine.feed import Feed
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.run import Runner
from metaalign_data.engine.wiring import library_of
from metaalign_data.errors import UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import BadRow, Read, read_queries
from metaalign_data.recipe import Recipe
from metaalign_data.stage import RowStage
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.simulated import SimulatedTeacher
from metaalign_data.teacher.structured import Structured

RESAMPLES = 400


@dataclass
class Load:
    """What one model is asked: calls, and tokens in, out, and out at most."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    max_tokens: int = 0

    def add(self, other: "Load") -> None:
        self.calls += other.calls
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.max_tokens += other.max_tokens


@dataclass
class _Counting:
    """A teacher that notes what it is asked."""

    inner: Teacher
    load: Load = field(default_factory=Load)

    async def complete(self, request: ChatRequest) -> Completion:
        completion = await self.inner.complete(request)
        self.load.add(Load(1, completion.usage.prompt_tokens, completion.usage.completion_tokens, request.max_tokens))
        return completion


Roles = dict[str, Load]


@dataclass(frozen=True)
class Figure:
    """One row of the estimate."""

    name: str
    low: Decimal | int | None
    expected: Decimal | int | None
    high: Decimal | int | None


@dataclass(frozen=True)
class Estimate:
    """`queries`: how many the run will take; `sampled`: how many were tried. Costs are USD, None without a price."""

    queries: int
    sampled: int
    figures: tuple[Figure, ...]


def estimate(recipe: Recipe, *, sample: int = 20) -> Estimate:
    """Low and high are the 5th and 95th percentile of resampled queries (bootstrap); completion tokens and cost reach
    their `high` only if every answer were as long as it may be. Raises UserError when there is no usable query.
    """
    rows = read_queries(recipe.queries, recipe.folder)
    queries = list(islice((row for row in rows if not isinstance(row, BadRow)), sample))
    total = len(queries) + sum(not isinstance(row, BadRow) for row in rows)
    if not queries:
        raise UserError("no usable query to estimate from", where=str(recipe.queries.source))
    loads, pairs = asyncio.run(_try(recipe, queries))
    if recipe.dataset.target and pairs:  # the queries are gone round until there are so many
        total = ceil(recipe.dataset.target * len(queries) / pairs)
    return Estimate(total, len(queries), _figures(recipe, loads, total))


async def _try(recipe: Recipe, queries: Sequence[Read]) -> tuple[list[Roles], int]:
    """What each query makes the recipe's row stages ask, by role, and the pairs that come of them."""
    library = library_of(recipe)
    fed = list(Feed(recipe, library).pass_over(queries))
    tried = [await _one(recipe, query, library) for query in fed]
    return [roles for roles, _ in tried], sum(pairs for _, pairs in tried)


async def _one(recipe: Recipe, query: Read, library: Library) -> tuple[Roles, int]:
    simulated = SimulatedTeacher(SimulatedTeacher.Config())

    def counting() -> _Counting:
        return _Counting(Structured(simulated, library, json_attempts=1))

    teacher, judges = counting(), tuple(counting() for _ in recipe.judges)
    weak = counting() if recipe.weak_teacher else None

    def context(stage: str) -> StageContext:
        return StageContext(library, teacher, judges, recipe.seed, stage, weak, recipe.folder)

    specs = [spec for spec in recipe.stage_specs if isinstance(spec.stage, RowStage)]
    with tempfile.TemporaryDirectory() as scratch:
        pairs = await Runner(specs, RunFolder(Path(scratch)), context, window=1).run([query])
        made = pairs.select(pl.len()).collect().item()
    loads = {"teacher": teacher.load} | {f"judge {i}": judge.load for i, judge in enumerate(judges)}
    return loads | ({"weak teacher": weak.load} if weak else {}), made


def _figures(recipe: Recipe, loads: Sequence[Roles], total: int) -> tuple[Figure, ...]:
    rng = Random(recipe.seed)
    resampled = [rng.choices(loads, k=len(loads)) for _ in range(RESAMPLES)]
    judges = {f"judge {i}": judge.known_price for i, judge in enumerate(recipe.judges)}
    prices = {"teacher": recipe.teacher.known_price, **judges}
    if recipe.weak_teacher:
        prices["weak teacher"] = recipe.weak_teacher.known_price

    def scaled(parts: Iterable[int]) -> int:
        return round(sum(parts) * total / len(loads))

    def total_of(picked: Sequence[Roles], what: str) -> int:
        return scaled(getattr(load, what) for roles in picked for load in roles.values())

    def usd(picked: Sequence[Roles], completions: str) -> Decimal | None:
        cost = Decimal(0)
        for role, price in prices.items():
            if price is None:
                return None
            asked = scaled(roles[role].prompt_tokens for roles in picked)
            answered = scaled(getattr(roles[role], completions) for roles in picked)
            cost += price.of(Usage(prompt_tokens=asked, completion_tokens=answered))
        return cost

    def bounds(values: list[Any]) -> tuple[Any, Any]:
        values.sort()
        return values[len(values) // 20], values[-1 - len(values) // 20]

    figures = []
    for what in ("calls", "prompt_tokens", "completion_tokens"):
        low, high = bounds([total_of(picked, what) for picked in resampled])
        if what == "completion_tokens":
            high = bounds([total_of(picked, "max_tokens") for picked in resampled])[1]
        figures.append(Figure(what.replace("_", " "), low, total_of(loads, what), high))
    if usd(loads, "completion_tokens") is None:
        figures.append(Figure("USD", None, None, None))
    else:
        low = bounds([usd(picked, "completion_tokens") for picked in resampled])[0]
        high = bounds([usd(picked, "max_tokens") for picked in resampled])[1]
        figures.append(Figure("USD", low, usd(loads, "completion_tokens"), high))
    return tuple(figures)
