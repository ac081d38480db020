"""Going on until so many pairs are accepted: rounds over the queries, sized by their yield, and the cut at the end."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from math import ceil
from random import Random

import polars as pl

from metaalign_data.engine.feed import Feed, Row, quotas
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query, Subset, digest
from metaalign_data.stage import Context, TableStage
from metaalign_data.stages.sampling.slots import allotted

CUT = "target"
_PILOT = 0.1  # of each quota: the first round, by which the yield is learnt
_SPARE = 1.02  # what is asked for beyond the expected need, so that a last round of a few is rare
_LEAST = 12
_BARREN = 100  # scenarios of a subset without a single pair: more of them would only cost


class Target:
    """Plans the rounds of a run that has a target.

    Each round is planned from what was accepted before it and nothing else, so a resumed run goes the same way. `read`
    reads the queries anew, each time from the first one.
    """

    def __init__(self, feed: Feed, read: Callable[[], Iterable[Row]], pairs: int, max_candidates: int | None) -> None:
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

    def next_round(self, accepted: Mapping[Subset, int]) -> Iterator[Row] | None:
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
            elif rate := self.accepted.get(subset, 0) / given:
                wanted[subset] = max(_LEAST, ceil(missing / rate * _SPARE))
            elif given < _BARREN:
                wanted[subset] = _BARREN - given
        left = self.max_candidates - self.candidates
        if (total := wanted.total()) > left:
            wanted = Counter({subset: n * left // total for subset, n in wanted.items()})
        return +wanted

    def _round(self, wanted: Counter[Subset]) -> Iterator[Row]:
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

    def _going_round(self, read: Callable[[], Iterable[Row]]) -> Iterator[Row]:
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
    """Cuts each subset down to its quota, whole judgements at a time, so that flips and twins stay together.

    Who goes follows from a hash alone: what is left is an even sample. Rejects with "beyond_target".
    """

    columns = ("subset", "judgement_id")

    def __init__(self, quotas: Mapping[Subset, int]) -> None:
        self.quotas = dict(quotas)

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        rows = table.collect()
        kept: set[str] = set()
        for subset, quota in self.quotas.items():
            sizes = Counter(rows.filter(pl.col("subset") == subset)["judgement_id"].to_list())
            kept |= filled(sizes, quota, ctx.seed)
        beyond = ~pl.col("judgement_id").is_in(list(kept))
        return rows.with_columns(
            reject_reason=pl.when(beyond).then(pl.lit("beyond_target")), reject_detail=pl.lit(None, dtype=pl.String)
        ).lazy()


def filled(sizes: Mapping[str, int], quota: int, seed: int) -> set[str]:
    """Groups with exactly `quota` rows where that can be, else with the fewest more; all where there are fewer."""
    taken: set[str] = set()
    left = quota
    order = sorted(sizes, key=lambda group: digest("cut", str(seed), group))
    for group in order:
        if sizes[group] <= left:
            taken.add(group)
            left -= sizes[group]
    if left > 0 and (spare := [group for group in order if group not in taken]):
        taken.add(min(spare, key=lambda group: sizes[group]))
    return taken


def with_cut(specs: Sequence[StageSpec], quotas: Mapping[Subset, int]) -> list[StageSpec]:
    """The chain with the cut after all that rejects rows: before a last stage `split`, else at the end."""
    cut = StageSpec(CUT, CutToTarget(quotas), {})
    at = next((i for i, spec in enumerate(specs) if spec.entry == "split" and isinstance(spec.stage, TableStage)), None)
    return [*specs, cut] if at is None else [*specs[:at], cut, *specs[at:]]
