"""How many different requests a whole run asks, from those of a sample: equal ones are asked, and paid for, once.

A request that holds its query's text is asked by that query alone. Others are drawn from a pool, such as the wordings
of one wish: of m draws from K equally likely ones, K (1 - exp(-m / K)) are different on average. The sample's own
repeats tell K, and that the share of the run.
"""

from math import exp, inf, sqrt


def different_share(drawn: int, different: int, times: float) -> tuple[float, float, float]:
    """(low, expected, high) share of `times` x `drawn` draws that are different, when of `drawn` `different` were.

    Low and high are at two standard deviations of the number of repeats. Three unseen repeats are possible where none
    was seen (the rule of three), but do not change what is expected.
    """
    repeats = drawn - different
    spread = 2 * sqrt(repeats)
    more = max(repeats + spread, 3.0)
    fewer = max(repeats - spread, 0.0)
    return tuple(_share(drawn, drawn - each, times) for each in (more, float(repeats), fewer))  # type: ignore[return-value]


def _share(drawn: int, different: float, times: float) -> float:
    pool = pool_size(drawn, max(different, 1.0))
    if pool == inf:
        return 1.0
    draws = drawn * max(times, 1.0)
    return min(1.0, pool * (1 - exp(-draws / pool)) / draws)


def pool_size(drawn: int, different: float) -> float:
    """K for which `drawn` draws give so many different ones; infinite where all are."""
    if different >= drawn:
        return inf
    low, high = different, different * 2
    while high * (1 - exp(-drawn / high)) < different:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if middle * (1 - exp(-drawn / middle)) < different:
            low = middle
        else:
            high = middle
    return high
