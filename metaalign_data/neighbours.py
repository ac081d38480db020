"""Near neighbours among unit vectors, exact, by blocked matrix products."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metaalign_data.embed import Vectors

Indices = npt.NDArray[np.intp]

BLOCK = 1024
TOLERANCE = 1e-5
"""Float32 gives identical texts a cosine of 1 less some millionths."""


def pairs_above(vectors: Vectors, threshold: float) -> Iterator[tuple[Indices, Indices]]:
    """All i < j whose cosine is at least `threshold`, as arrays of i and of j, at most BLOCK x BLOCK pairs at a time.

    O(n^2) time.
    """
    for start in range(0, len(vectors), BLOCK):
        for other in range(start, len(vectors), BLOCK):
            cosines = vectors[start : start + BLOCK] @ vectors[other : other + BLOCK].T
            i, j = np.nonzero(cosines >= threshold - TOLERANCE)
            i, j = i + start, j + other
            yield i[i < j], j[i < j]


def clusters(n: int, pairs: Iterable[tuple[Indices, Indices]]) -> Indices:
    """For each of `n` items the smallest item of its connected component."""
    root = np.arange(n)
    for i, j in pairs:
        root = _united(root, i, j)
    return root


def _united(root: Indices, i: Indices, j: Indices) -> Indices:
    """The smallest item of each component, once each i and its j are in one."""
    apart = root[i] != root[j]
    while apart.any():
        i, j = i[apart], j[apart]
        np.minimum.at(root, np.maximum(root[i], root[j]), np.minimum(root[i], root[j]))
        while (root[root] != root).any():
            root = root[root]
        apart = root[i] != root[j]
    return root


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
    numbers = {name: number for number, name in enumerate(dict.fromkeys(apart))}
    group = np.array([-1 if name is None else numbers[name] for name in apart], dtype=np.intp)

    def cosines(rows: Indices, others: Indices) -> Vectors:
        least = np.minimum.reduce([column[rows] @ column[others].T for column in columns])
        same = (group[rows][:, None] == group[others]) & (group[rows] >= 0)[:, None]
        return np.where(same, np.float32(-np.inf), least)

    verdicts: list[Duplicate | None] = []
    kept: list[int] = []
    for start in range(0, len(apart), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(apart)))
        nearest, cosine = _nearest(rows, np.array(kept, dtype=np.intp), cosines)
        inside, is_kept = cosines(rows, rows), np.zeros(len(rows), dtype=bool)
        for row in range(len(rows)):
            among = np.where(is_kept, inside[row], np.float32(-np.inf))
            if among.max() > cosine[row]:
                nearest[row], cosine[row] = start + among.argmax(), among.max()
            is_kept[row] = cosine[row] < threshold - TOLERANCE
            verdicts.append(None if is_kept[row] else Duplicate(int(nearest[row]), float(cosine[row])))
        kept.extend(rows[is_kept].tolist())
    return verdicts


def _nearest(rows: Indices, kept: Indices, cosines: Callable[[Indices, Indices], Vectors]) -> tuple[Indices, Vectors]:
    """For each of the rows the first of the nearest kept ones, and the cosine (minus infinity where there is none)."""
    nearest = np.zeros(len(rows), dtype=np.intp)
    cosine = np.full(len(rows), -np.inf, dtype=np.float32)
    for first in range(0, len(kept), BLOCK):
        others = kept[first : first + BLOCK]
        found = cosines(rows, others)
        best = found.argmax(axis=1)
        closer = found.max(axis=1) > cosine
        nearest[closer] = others[best[closer]]
        cosine[closer] = found.max(axis=1)[closer]
    return nearest, cosine
