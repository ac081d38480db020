"""Which responses face each other, and under which meta-prompt."""

from itertools import combinations, product
from typing import NamedTuple

from metaalign_data.records import Response, ResponseSet

_RIVALS = ("generic", "ignores", "weaker")


class Matchup(NamedTuple):
    """Responses `a` and `b` (indexes into the set), to be compared under side `side` of `all_sides`."""

    side: int
    a: int
    b: int


def matchups(row: ResponseSet) -> list[Matchup]:
    """What to compare, side by side; `a` is the response that was written for the side where any of the two was.

    A twin asks for nothing new, so its side meets no rivals. Equal texts need no judge.
    """
    found: list[Matchup] = []
    responses = list(enumerate(row.responses))
    unclaimed = [i for i, r in responses if r.source == "given" and r.side is None]
    for side in range(len(row.scenario.all_sides)):
        wish, is_twin = side % 2, side >= len(row.scenario.sides)
        own = [i for i, r in responses if _written_for(r, wish)]
        others = [i for i, r in responses if _written_for(r, 1 - wish)]
        rivals = [i for i, r in responses if r.source in _RIVALS and r.side in (wish, None) and not is_twin]
        found += [Matchup(side, a, b) for a, b in product(own, [*others, *rivals])]
        found += [Matchup(side, a, b) for a, b in combinations(unclaimed, 2)]
    return [pair for pair in found if row.responses[pair.a].text != row.responses[pair.b].text]


def _written_for(response: Response, wish: int) -> bool:
    return response.source in ("side", "given") and response.side == wish
