"""All pairs above a cosine."""

import logging
from collections.abc import Iterator

import numpy as np

from metaalign_data.embed import Vectors, check_unit
from metaalign_data.neighbours.screen import TILE, TOLERANCE, Indices, Screen, fit, verified
from metaalign_data.neighbours.threads import CORES, side_by_side

LOG = logging.getLogger(__name__)

SCREENED = 4_096
"""From so many rows on, looking for a screen costs less than it saves."""
STRIP = 8 * TILE
LARGE = 2_000_000
"""From so many rows on, it is said that comparing all of them takes hours."""

Pairs = tuple[Indices, Indices]


def pairs_above(vectors: Vectors, threshold: float) -> Iterator[Pairs]:
    """All i < j whose cosine is at least `threshold`, as arrays of i and of j, at most TILE x STRIP pairs at a time.

    Exact, whatever n: a pair that is missed would be a leak. O(n^2) time, of which screen.py takes most of the
    constant; memory for a sketch of each row. Raises UserError for vectors not of length 1.
    """
    check_unit(vectors)
    n = len(vectors)
    if n >= LARGE:
        LOG.warning("all pairs of %s texts are compared exactly, which takes hours", f"{n:,}")
    screen = fit([vectors], np.arange(n), threshold) if n >= SCREENED else Screen(0, None)
    sketch = screen.sketch(vectors)

    def strip(corner: tuple[int, int]) -> Pairs:
        start, left = corner
        rows = np.arange(start, min(start + TILE, n))
        found = [_tile(vectors, sketch, threshold, rows, first) for first in range(left, min(left + STRIP, n), TILE)]
        return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])

    strips = [(start, left) for start in range(0, n, TILE) for left in range(start, n, STRIP)]
    for first in range(0, len(strips), 4 * CORES):
        for i, j in side_by_side(strip, strips[first : first + 4 * CORES]):
            if len(i):
                yield i, j


def _tile(vectors: Vectors, sketch: Vectors, threshold: float, rows: Indices, first: int) -> Pairs:
    others = np.arange(first, min(first + TILE, len(vectors)))
    bound = sketch[rows[0] : rows[-1] + 1] @ sketch[first : first + TILE].T
    candidates = np.flatnonzero(bound >= threshold - 2 * TOLERANCE)
    i, j, _ = verified([vectors], threshold, rows, others, candidates)
    i, j = rows[i], others[j]
    ahead = i < j
    return i[ahead], j[ahead]
