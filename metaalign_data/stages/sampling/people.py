"""People with several preferences each: a sparse mixture over the taxonomy, the same in every scenario they are in.

They come in pairs of opposites: what one wants on a dimension, the other does not. So each flip is between two people,
and each of them stays coherent.
"""

from dataclasses import dataclass
from math import ceil
from random import Random

from metaalign_data.records import digest
from metaalign_data.stages.sampling.wishes import Aim, Contrast, fits
from metaalign_data.taxonomy import Taxonomy

PREFERENCES = 4
"""Dimensions, at most, on which a person has a preference."""
_WORDING = 1 << 41  # variants of people are no variants of anybody else


@dataclass(frozen=True)
class Person:
    """One of a pair of opposites. `aims` are all that the person wants, `opposite` is the other one's id."""

    id: str
    opposite: str
    who: str
    opposite_who: str
    aims: tuple[Aim, ...]
    variant: int

    def contrast(self, aim: Aim, *, composed: bool, seed: int) -> Contrast:
        """What this person wants, against the opposite one: the aim, and with `composed` another one of theirs."""
        others = [other for other in self.aims if other.dimension != aim.dimension]
        return Contrast((aim, *others[:1]) if composed else (aim,), self.variant, seed)


def person_with(taxonomy: Taxonomy, aim: Aim, pairs: int, seed: int, rng: Random) -> Person | None:
    """One of 2 x `pairs` people who wants the aim and whose opposite wants its contrast; None where nobody is left.

    Pair i has the dimensions i to i + 3 of an order of all dimensions, each lap over them another order: so those with
    a preference on a dimension are known without looking through all.
    """
    names = [dimension.name for dimension in taxonomy.dimensions]
    lap = rng.randrange(ceil(pairs / len(names)))
    order = _order(names, seed, lap)
    place = (order.index(aim.dimension) - rng.randrange(PREFERENCES)) % len(names)
    i = lap * len(names) + place
    return _person(taxonomy, order, i, place, aim, seed) if i < pairs else None


def _order(names: list[str], seed: int, lap: int) -> list[str]:
    order = list(names)
    Random(digest("people", str(seed), str(lap))).shuffle(order)
    return order


def _person(taxonomy: Taxonomy, order: list[str], i: int, place: int, wanted: Aim, seed: int) -> Person | None:
    own = Random(digest("person", str(seed), str(i)))
    who, opposite_who = own.choice(taxonomy.people), own.choice(taxonomy.people)
    aims: list[Aim] = []
    for k in range(min(PREFERENCES, len(order))):
        dimension = taxonomy.dimension[order[(place + k) % len(order)]]
        value, contrast = own.sample(dimension.values, 2)
        aim = Aim(dimension.name, value, contrast)
        if fits(taxonomy, [*aims, aim]):
            aims.append(aim)
    ids = digest("user", str(seed), str(i), "first"), digest("user", str(seed), str(i), "second")
    person = Person(*ids, who, opposite_who, tuple(aims), _WORDING + i)
    if wanted in aims:
        return person
    if wanted.reversed in aims:
        return Person(*ids[::-1], opposite_who, who, tuple(aim.reversed for aim in aims), _WORDING + i)
    return None
