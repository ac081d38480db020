"""Which scenarios a query is to make: subsets by their shares, and a running number for each."""

from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate
from random import Random

from metaalign_data.records import Query, Slot, Subset

_UNCOUNTED = 1 << 30


def allotted(shares: Mapping[Subset, float], n: int, rng: Random) -> list[Subset]:
    """`n` subsets by systematic sampling: each comes up its share of `n` times, rounded up or down at random.

    The shares need not sum to 1; one of them is above 0.
    """
    names = [name for name, share in shares.items() if share > 0]
    edges = list(accumulate(shares[name] for name in names))
    offset = rng.random()
    drawn = [names[min(bisect(edges, (i + offset) / n * edges[-1]), len(names) - 1)] for i in range(n)]
    rng.shuffle(drawn)
    return drawn


def drawn_slots(query: Query, shares: Mapping[Subset, float], n: int, rng: Random) -> list[Slot]:
    """Slots of a query that nobody planned for."""
    subsets: list[Subset] = ["priority"] * n if query.harmful else allotted(shares, n, rng)
    first = rng.randrange(_UNCOUNTED)
    return [Slot(subset=subset, ordinal=first + k) for k, subset in enumerate(subsets)]
