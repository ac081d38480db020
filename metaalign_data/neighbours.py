"""Near neighbours among unit vectors, exact, by blocked matrix products."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from metaalign_data.embed import Vectors

BLOCK = 1024
TOLERANCE = 1e-5
"""Float32 gives identical texts a cosine of 1 less some millionths."""


def pairs_above(vectors: Vectors, threshold: float) -> list[tuple[int, int]]:
    """All i < j whose cosine is at least `threshold`. O(n^2) time; memory is one block of BLOCK x BLOCK."""
    found: list[tuple[int, int]] = []
    for start in range(0, len(vectors), BLOCK):
        rows = vectors[start : start + BLOCK]
        for other in range(start, len(vectors), BLOCK):
            close = np.argwhere(rows @ vectors[other : other + BLOCK].T >= threshold - TOLERANCE)
            found.extend((start + i, other + j) for i, j in close.tolist() if start + i < other + j)
    return found


def clusters(n: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `n` items the smallest item of its connected component."""
    root = list(range(n))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, j in pairs:
        a, b = find(i), find(j)
        root[max(a, b)] = min(a, b)
    return [find(i) for i in range(n)]


@dataclass(frozen=True)
class Duplicate:
    """A dropped row: the kept row that it duplicates, and how alike they are (cosine, the least over the columns)."""

    of: int
    cosine: float


def greedy_cover(columns: Sequence[Vectors], threshold: float, apart: Sequence[str | None]) -> list[Duplicate | None]:
    """For each row, in this order: None if it is kept, else the kept row that it duplicates.

    A row is dropped if and only if it is at least `threshold` close, in every one of the `columns`, to a row that was
    kept before it. So no two kept rows are that close, and each dropped row is to the kept row that it names (the
    nearest one). Rows that share a value of `apart`, None aside, are never compared. Exact; O(rows x kept) time, memory
    for BLOCK x BLOCK cosines.
    """
    joined = np.concatenate(columns, axis=1) / np.float32(np.sqrt(len(columns)))  # dot product: the mean >= the least
    verdicts: list[Duplicate | None] = []
    kept: list[int] = []
    for start in range(0, len(joined), BLOCK):
        candidates = _candidates(joined, start, kept, threshold)
        for row in range(start, min(start + BLOCK, len(joined))):
            near = [
                Duplicate(other, cosine)
                for other in sorted(candidates.get(row, ()))
                if (other < start or verdicts[other] is None)
                and (apart[row] is None or apart[row] != apart[other])
                and (cosine := min(float(c[row] @ c[other]) for c in columns)) >= threshold - TOLERANCE
            ]
            verdicts.append(max(near, key=lambda found: found.cosine) if near else None)
            if not near:
                kept.append(row)
    return verdicts


def _candidates(joined: Vectors, start: int, kept: Sequence[int], threshold: float) -> dict[int, list[int]]:
    """For rows of the block at `start`: kept rows, and earlier ones of the block, whose mean cosine is high enough."""
    block = joined[start : start + BLOCK]
    found: dict[int, list[int]] = {}
    for first in range(0, len(kept), BLOCK):
        others = kept[first : first + BLOCK]
        for i, j in np.argwhere(block @ joined[others].T >= threshold - TOLERANCE).tolist():
            found.setdefault(start + i, []).append(others[j])
    for i, j in np.argwhere(np.tril(block @ block.T, -1) >= threshold - TOLERANCE).tolist():
        found.setdefault(start + i, []).append(start + j)
    return found
