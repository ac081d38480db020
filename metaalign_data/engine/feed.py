"""What is to be made of each query: scenarios by the subsets' shares, each with its running number."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from random import Random

from metaalign_data.prompting import Library
from metaalign_data.queries import Read
from metaalign_data.recipe import Recipe
from metaalign_data.records import Query, Slot, Subset, digest
from metaalign_data.stages.sampling.coverage import CoverageSampler
from metaalign_data.stages.sampling.slots import allotted

_BY_TAXONOMY: tuple[Subset, ...] = ("priority", "helpful")


class Feed:
    """Gives queries their kind and their slots, in the order in which they come.

    A slot's number counts scenarios of its subset: for those that draw from the taxonomy, among the queries of one
    kind, else among those of the same query. So no two scenarios are drawn alike. What is planned for a query follows
    from those before it, and never from those after it.
    """

    def __init__(self, recipe: Recipe, library: Library) -> None:
        self.recipe = recipe
        self.taxonomy = library.taxonomy(recipe.preferences.taxonomy)
        self.sampler = CoverageSampler(self.taxonomy, recipe.seed)
        self.given: Counter[Subset] = Counter()
        self._numbers: Counter[tuple[str, Subset]] = Counter()

    def pass_over(self, rows: Iterable[Read]) -> Iterator[Read]:
        """Each query with as many slots as the recipe says; what is no query stays as it is."""
        recipe = self.recipe
        for row in rows:
            if not isinstance(row, Query):
                yield row
                continue
            rng = Random(digest("slots", str(recipe.seed), row.id))
            n = recipe.preferences.per_query
            subsets: list[Subset] = ["priority"] * n if row.harmful else allotted(recipe.subsets, n, rng)
            yield self.with_slots(row, subsets)

    def with_slots(self, query: Query, subsets: Iterable[Subset]) -> Query:
        """The query with a slot for each of the subsets."""
        kind = self.taxonomy.kind_of(query.text)
        slots = []
        for subset in subsets:
            of_taxonomy = subset in _BY_TAXONOMY and not query.harmful
            among = kind if of_taxonomy else query.id
            cell = self.sampler.draw(kind, subset) if of_taxonomy else None
            slots.append(Slot(subset=subset, ordinal=self._numbers[among, subset], cell=cell))
            self._numbers[among, subset] += 1
            self.given[subset] += 1
        return query.model_copy(update={"kind": kind, "slots": tuple(slots)})


def quotas(shares: Mapping[Subset, float], target: int) -> dict[Subset, int]:
    """How many of `target` pairs each subset is to have, by largest remainders: they sum to the target."""
    exact = {subset: share * target for subset, share in shares.items() if share > 0}
    whole = {subset: int(n) for subset, n in exact.items()}
    by_remainder = sorted(exact, key=lambda subset: whole[subset] - exact[subset])
    for subset in by_remainder[: target - sum(whole.values())]:
        whole[subset] += 1
    return whole
