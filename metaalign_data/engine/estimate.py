"""What a run will ask and cost, from a few of its queries.

They go through the real stages and prompts. The simulated teacher answers, and nothing is sent anywhere; or the
recipe's own models do, and their answers are in the ledger when the run comes. From a simulated sample, calls and
prompt tokens are as good as its answers are long: where yours writes more, so do the prompts that quote it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from math import ceil
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

from metaalign_data.chat import Usage
from metaalign_data.engine.repeats import different_share
from metaalign_data.engine.trial import Asked, Trial, real_trial, simulated_trial
from metaalign_data.errors import UserError
from metaalign_data.queries import BadRow, read_queries
from metaalign_data.recipe import Recipe
from metaalign_data.teacher.price import Price
from metaalign_data.teacher.settings import TeacherSettings

RESAMPLES = 400
TAIL = RESAMPLES // 100
"""Resamples beyond `low` and beyond `high`."""

Kind = tuple[str, str, bool]
"""Role, prompt, and whether a request belongs to one query alone."""
Shares = dict[Kind, tuple[float, float, float]]
Bound = Literal[0, 1, 2]
LOW: Bound = 0
EXPECTED: Bound = 1
HIGH: Bound = 2
N = TypeVar("N", int, Decimal)


@dataclass(frozen=True)
class Figure:
    """One row of the estimate. `at_most` is reached only if every answer were as long as max_tokens lets it be."""

    name: str
    low: Decimal | int | None
    expected: Decimal | int | None
    high: Decimal | int | None
    at_most: Decimal | int | None


@dataclass(frozen=True)
class Estimate:
    """`queries`: how many the run will take; `sampled`: how many were tried. Costs are USD, None without a price."""

    queries: int
    sampled: int
    real: bool
    figures: tuple[Figure, ...]


@dataclass
class _Sum:
    """What some requests take: calls, and tokens by role; fractions, since it is an average."""

    calls: float = 0.0
    asked: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    answered: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    at_most: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def estimate(recipe: Recipe, *, sample: int = 20, ledger: Path | None = None) -> Estimate:
    """Low and high hold what comes out in 49 of 50 resamples of the sampled queries (bootstrap), and as many repeated
    requests as the sample lets expect. With `ledger` the recipe's own models are asked, and their answers kept there.

    Raises UserError when there is no usable query; with `ledger` also BudgetReached and what else asking raises.
    """
    rows = read_queries(recipe.queries, recipe.folder)
    queries = list(islice((row for row in rows if not isinstance(row, BadRow)), sample))
    total = len(queries) + sum(not isinstance(row, BadRow) for row in rows)
    if not queries:
        raise UserError("no usable query to estimate from", where=str(recipe.queries.source))
    trial = asyncio.run(real_trial(recipe, queries, ledger) if ledger else simulated_trial(recipe, queries))
    if recipe.dataset.target and trial.pairs:  # the queries are gone round until there are so many
        total = ceil(recipe.dataset.target * len(queries) / trial.pairs)
    return Estimate(total, len(queries), ledger is not None, _figures(recipe, trial, total))


def _figures(recipe: Recipe, trial: Trial, total: int) -> tuple[Figure, ...]:
    times = total / len(trial.asked)
    shares = _shares(trial, times)
    weighed = [[_weighed(query, shares, times, bound) for query in trial.asked] for bound in (LOW, EXPECTED, HIGH)]
    lows, highs = _resampled(weighed[LOW], recipe.seed), _resampled(weighed[HIGH], recipe.seed)
    expected = _sum(weighed[EXPECTED])

    def figure(name: str, of: Callable[[_Sum], N], most: Callable[[_Sum], N]) -> Figure:
        low, high, at_most = sorted(map(of, lows))[TAIL], sorted(map(of, highs))[-1 - TAIL], max(map(most, highs))
        return Figure(name, low, of(expected), high, at_most)

    figures = (
        figure("calls", lambda s: round(s.calls), lambda s: round(s.calls)),
        figure("prompt tokens", lambda s: _whole(s.asked), lambda s: _whole(s.asked)),
        figure("completion tokens", lambda s: _whole(s.answered), lambda s: _whole(s.at_most)),
    )
    prices = _prices(recipe)
    if prices is None:
        return (*figures, Figure("USD", None, None, None, None))
    return (
        *figures,
        figure("USD", lambda s: _usd(prices, s.asked, s.answered), lambda s: _usd(prices, s.asked, s.at_most)),
    )


def _resampled(queries: Sequence[_Sum], seed: int) -> list[_Sum]:
    rng = Random(seed)
    return [_sum(rng.choices(queries, k=len(queries))) for _ in range(RESAMPLES)]


def _shares(trial: Trial, times: float) -> Shares:
    """What share of the requests of each kind is asked: the first of equal ones."""
    keys: dict[Kind, list[str]] = defaultdict(list)
    for asked in trial.asked:
        for each in asked:
            keys[_kind(each)].append(each.key)
    shares: Shares = {}
    for kind, drawn in keys.items():
        different = len(set(drawn))
        of_its_own = different / len(drawn)
        shares[kind] = (of_its_own,) * 3 if kind[2] else different_share(len(drawn), different, times)
    return shares


def _kind(asked: Asked) -> Kind:
    return asked.role, asked.prompt, asked.own


def _weighed(query: Iterable[Asked], shares: Shares, times: float, bound: Bound) -> _Sum:
    """What a query asks, taken so many times."""
    total = _Sum()
    for each in query:
        weight = shares[_kind(each)][bound] * times
        total.calls += weight
        total.asked[each.role] += each.prompt_tokens * weight
        total.answered[each.role] += each.completion_tokens * weight
        total.at_most[each.role] += each.max_tokens * weight
    return total


def _sum(queries: Iterable[_Sum]) -> _Sum:
    total = _Sum()
    for query in queries:
        total.calls += query.calls
        for role in query.asked:
            total.asked[role] += query.asked[role]
            total.answered[role] += query.answered[role]
            total.at_most[role] += query.at_most[role]
    return total


def _prices(recipe: Recipe) -> dict[str, Price] | None:
    """The price of each role's model, in batches where those are asked; None as soon as one is unknown."""
    prices = {"teacher": _mean_price(recipe.teachers)}
    prices |= {f"judge {i}": judge.known_price for i, judge in enumerate(recipe.judges)}
    if recipe.weak_teacher:
        prices["weak teacher"] = recipe.weak_teacher.known_price
    known = {role: price for role, price in prices.items() if price is not None}
    return known if len(known) == len(prices) else None


def _mean_price(several: Sequence[TeacherSettings]) -> Price | None:
    """What a token costs on average over models that are asked by their weights; None as soon as one is unknown."""
    shares = [Decimal(str(each.weight)) for each in several]
    prices = [each.known_price for each in several]
    known = [price for price in prices if price is not None]
    if len(known) < len(prices):
        return None

    def mean(of: Callable[[Price], Decimal]) -> Decimal:
        return sum((of(p) * share for p, share in zip(known, shares, strict=True)), Decimal(0)) / sum(shares)

    return Price(input=mean(lambda price: price.input), output=mean(lambda price: price.output))


def _usd(prices: Mapping[str, Price], asked: Mapping[str, float], answered: Mapping[str, float]) -> Decimal:
    used = (
        (price, Usage(prompt_tokens=round(asked[role]), completion_tokens=round(answered[role])))
        for role, price in prices.items()
    )
    return sum((price.of(usage) for price, usage in used), Decimal(0))


def _whole(by_role: Mapping[str, float]) -> int:
    return round(sum(by_role.values()))
