"""Going on until so many pairs are accepted: rounds over the queries, sized by their yield, and the cut at the end."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from math import ceil
from random import Random

import polars as pl

from metaalign_data.engine.feed import Feed, quotas
from metaalign_data.queries import Read
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query, Subset, digest
from metaalign_data.stage import Context, TableStage
from metaalign_data.stages.columns import marked
from metaalign_data.stages.sampling.slots import allotted

CUT = "target"
_PILOT = 0.1  # of each quota: the first round, by which the yield is learnt
_AIM = 0.85  # of what is missing then: the second round, whose yield is only known from the few of the first
_SPARE = 1.02  # of what is missing after that, so that yet another round is rare
_LEAST = 12
_LAST_FEW = 12  # rows of a quota
_BARREN = 100  # scenarios of a subset without a single pair: more of them would only cost


class Target:
    """Plans the rounds of a run that has a target.

    Each round is planned from what was accepted before it and nothing else, so a resumed run goes the same way. `read`
    reads the queries anew, each time from the first one.
    """

    def __init__(self, feed: Feed, read: Callable[[], Iterable[Read]], pairs: int, max_candidates: int | None) -> None:
        self.feed, self.pairs = feed, pairs
        self.max_candidates = max_candidates or 5 * pairs
        self.quotas = quotas(feed.recipe.subsets, pairs)
        self.accepted: Mapping[Subset, int] = dict.fromkeys(self.quotas, 0)
        self.rounds = 0
        self._before: int | None = None  # candidates when the last round was planned
        self._usable = 0
        self._rows = self._going_round(read)

    @property
    def candidates(self) -> int:
        """Scenarios that were asked for so far."""
        return self.feed.given.total()

    @property
    def missing(self) -> dict[Subset, int]:
        return {s: n for s, quota in self.quotas.items() if (n := quota - self.accepted.get(s, 0)) > 0}

    def next_round(self, accepted: Mapping[Subset, int]) -> Iterator[Read] | None:
        """The queries of the next round; None where the target is met, or cannot be."""
        self.accepted = dict(accepted)
        wanted = self._wanted()
        if not wanted or self._before == self.candidates:
            return None
        self._before = self.candidates
        self.rounds += 1
        return self._round(wanted)

    def told(self) -> str:
        """How far it is, in a few words."""
        made = sum(min(self.accepted.get(s, 0), quota) for s, quota in self.quotas.items())
        rate = f", {sum(self.accepted.values()) / self.candidates:.2f} a candidate" if self.candidates else ""
        return f"{made:,} of {self.pairs:,} pairs, {self.candidates:,} candidates{rate}"

    def _wanted(self) -> Counter[Subset]:
        """Scenarios to ask for, by subset."""
        wanted: Counter[Subset] = Counter()
        for subset, missing in self.missing.items():
            given = self.feed.given[subset]
            if not given:
                wanted[subset] = max(_LEAST, ceil(missing * _PILOT))
            elif accepted := self.accepted.get(subset, 0):
                rate = (accepted + 1) / (given + 1)  # of a few candidates too low a yield would ask for too much
                wanted[subset] = max(_LEAST, ceil(missing / rate * (_AIM if self.rounds == 1 else _SPARE)))
            elif given < _BARREN:
                wanted[subset] = _BARREN - given
        left = self.max_candidates - self.candidates
        if (total := wanted.total()) > left:
            wanted = Counter({subset: n * left // total for subset, n in wanted.items()})
        return +wanted

    def _round(self, wanted: Counter[Subset]) -> Iterator[Read]:
        per_query, seed = self.feed.recipe.preferences.per_query, self.feed.recipe.seed
        idle = 0
        for row, number in zip(self._rows, count(self.candidates), strict=False):
            if not isinstance(row, Query):
                yield row
                continue
            open_: dict[Subset, int] = {
                s: n for s, n in wanted.items() if n > 0 and (s == "priority" or not row.harmful)
            }
            if not open_:
                idle += 1
                if idle > self._usable:  # all queries are harmful, and no more of these are wanted
                    return
                continue
            idle = 0
            rng = Random(digest("round", str(seed), str(number), row.id))
            subsets = allotted(open_, min(per_query, sum(open_.values())), rng)
            wanted.subtract(subsets)
            yield self.feed.with_slots(row, subsets)
            if not +wanted:
                return

    def _going_round(self, read: Callable[[], Iterable[Read]]) -> Iterator[Read]:
        """The queries again and again; rows that are no queries only the first time."""
        for lap in count():
            for row in read():
                if isinstance(row, Query):
                    self._usable += not lap
                    yield row
                elif not lap:
                    yield row
            if not self._usable:
                return


class CutToTarget:
    """Cuts each subset down to its quota: flips and twins of a judgement stay or go together, other rows by themselves.

    Who goes follows from a hash alone: what is left is an even sample. Rejects with "beyond_target".
    """

    columns = ("id", "subset", "judgement_id", "flip_id", "twin_id")

    def __init__(self, quotas: Mapping[Subset, int]) -> None:
        self.quotas = dict(quotas)

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        alone = pl.col("flip_id").is_null() & pl.col("twin_id").is_null()
        unit = pl.when(alone).then("id").otherwise("judgement_id").alias("unit")
        rows = table.select("subset", unit).collect()
        kept: set[str] = set()
        for subset, quota in self.quotas.items():
            sizes = Counter(rows.filter(pl.col("subset") == subset)["unit"].to_list())
            kept |= filled(sizes, quota, ctx.seed)
        beyond = ~pl.col("unit").is_in(list(kept))
        reason = pl.when(beyond).then(pl.lit("beyond_target"))
        return marked(table, rows.select(reject_reason=reason, reject_detail=pl.lit(None, dtype=pl.String)))


def filled(sizes: Mapping[str, int], quota: int, seed: int) -> set[str]:
    """Groups with exactly `quota` rows where that can be, else with the fewest more; all where there are fewer.

    Groups come in the order of their hashes; only the last few, and at most one before them, are chosen by their size.
    """
    order = sorted(sizes, key=lambda group: digest("cut", str(seed), group))
    taken: list[str] = []
    left = quota
    while order and left - sizes[order[0]] >= _LAST_FEW:
        left -= sizes[order[0]]
        taken.append(order.pop(0))
    one_of_each_size = list({sizes[group]: group for group in taken}.values())
    best = _sum_from(order, sizes, left)
    for dropped in one_of_each_size:
        if sum(sizes[group] for group in best) == left:
            break
        other = _sum_from(order, sizes, left + sizes[dropped])
        if sum(sizes[group] for group in other) == left + sizes[dropped]:
            return set(taken) - {dropped} | set(other)
    return set(taken) | set(best)


def _sum_from(order: Sequence[str], sizes: Mapping[str, int], wanted: int) -> tuple[str, ...]:
    """The first groups whose sizes sum to `wanted`, or to the least above it; all of them where there are fewer."""
    sums: dict[int, tuple[str, ...]] = {0: ()}
    for group in order:
        for total in sorted(total for total in sums if total < wanted):
            sums.setdefault(total + sizes[group], (*sums[total], group))
        if wanted in sums:
            break
    enough = [total for total in sums if total >= wanted]
    return sums[min(enough) if enough else max(sums)]


def with_cut(specs: Sequence[StageSpec], quotas: Mapping[Subset, int]) -> list[StageSpec]:
    """The chain with the cut after all that rejects rows: before a last stage `split`, else at the end."""
    cut = StageSpec(CUT, CutToTarget(quotas), {})
    at = next((i for i, spec in enumerate(specs) if spec.entry == "split" and isinstance(spec.stage, TableStage)), None)
    return [*specs, cut] if at is None else [*specs[:at], cut, *specs[at:]]
