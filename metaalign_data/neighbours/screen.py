"""An upper bound of a cosine from a few dimensions: most pairs need no more.

Turn the vectors so that the principal components come first and cut after k of them: x = (p, s), y = (q, t). Then
x·y = p·q + s·t <= p·q + |s||t| (Cauchy and Schwarz), a product of k + 1 numbers instead of all. A pair whose bound is
below the threshold is not above it, whatever the vectors; how many pairs are left to look at depends on the vectors
alone, and so does the best k.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metaalign_data.embed import Vectors
from metaalign_data.neighbours.threads import side_by_side

Indices = npt.NDArray[np.intp]

TOLERANCE = 1e-5
"""Float32 gives identical texts a cosine of 1 less some millionths."""

TILE = 512
"""Rows and columns of one product: its result (1 MB) stays in the cache of a core until it has been looked through."""

SAMPLE = 16_384
_PROBE = 512

# What a pair costs beside the multiplications, in dimensions' worth of them (measured on x86-64 with OpenBLAS).
_SCAN = 20.0
_GATHER = 100.0
_DENSE = 64
"""From one candidate in so many cells on, the whole product is cheaper than the candidates one by one."""
_GATHERED = 8_192
_SKETCHED = 8_192
"""Vectors that are sketched at a time: what is made on the way takes no memory for the others."""


@dataclass(frozen=True)
class Screen:
    """Which of `columns` is looked at first, and by which principal components; None: by all its dimensions."""

    column: int
    basis: Vectors | None

    @property
    def dimensions(self) -> int | None:
        return None if self.basis is None else self.basis.shape[1]

    def sketch(self, vectors: Vectors) -> Vectors:
        """What a product of sketches bounds the cosines by: the first components, and the length of the rest."""
        if self.basis is None:
            return vectors
        made = np.empty((len(vectors), self.basis.shape[1] + 1), dtype=np.float32)
        for start in range(0, len(vectors), _SKETCHED):
            part, sketch = vectors[start : start + _SKETCHED], made[start : start + _SKETCHED]
            sketch[:, :-1] = part @ self.basis
            sketch[:, -1] = np.linalg.norm(part - sketch[:, :-1] @ self.basis.T, axis=1)
        return made


def fit(columns: Sequence[Vectors], rows: Indices, threshold: float) -> Screen:
    """The cheapest screen for these columns, judged by the vectors in `rows`."""
    rows = rows if len(rows) <= SAMPLE else np.random.default_rng(0).choice(rows, SAMPLE, replace=False)
    found = side_by_side(lambda column: _cheapest(column[rows], threshold), columns)
    number = min(range(len(columns)), key=lambda number: found[number][0])
    return Screen(number, found[number][1])


def _cheapest(vectors: Vectors, threshold: float) -> tuple[float, Vectors | None]:
    """The least cost of a pair, in multiplications, and the basis that has it."""
    dimensions = vectors.shape[1]
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    directions = directions[:, ::-1]
    probe = np.random.default_rng(1).permutation(vectors)[: 2 * _PROBE]
    half = len(probe) // 2
    turned, others = probe[:half] @ directions, probe[half:] @ directions
    options: list[tuple[float, Vectors | None]] = []
    for k in [*range(8, dimensions // 2, 8), dimensions]:
        bound = turned[:, :k] @ others[:, :k].T
        bound += np.outer(np.linalg.norm(turned[:, k:], axis=1), np.linalg.norm(others[:, k:], axis=1))
        left = float(np.mean(bound >= threshold)) if bound.size else 1.0
        basis = None if k == dimensions else np.ascontiguousarray(directions[:, :k], dtype=np.float32)
        options.append((k + 1 + _SCAN + _GATHER * dimensions * min(left, 1 / _DENSE), basis))
    return min(options, key=lambda option: option[0])


def verified(
    columns: Sequence[Vectors], threshold: float, rows: Indices, others: Indices, candidates: Indices
) -> tuple[Indices, Indices, Vectors]:
    """Of the cells of rows x others that are `candidates`, by flat number, those whose cosine is at least `threshold`
    in every column: number of the row, number of the other, and the least cosine.

    The cosine of a pair does not depend on where in a block it stands.
    """
    i, j = np.divmod(candidates, len(others))
    if len(candidates) > len(rows) * len(others) // _DENSE:
        least = np.minimum.reduce([column[rows] @ column[others].T for column in columns])
        near = least[i, j] >= threshold - 2 * TOLERANCE
        i, j = i[near], j[near]
    near, cosine = near_pairs(columns, threshold, rows[i], others[j])
    return i[near], j[near], cosine


def near_pairs(columns: Sequence[Vectors], threshold: float, rows: Indices, others: Indices) -> tuple[Indices, Vectors]:
    """Which pairs of a row and another are at least `threshold` close in every column, and their least cosine."""
    near, cosine = np.arange(len(rows)), np.full(len(rows), np.inf, dtype=np.float32)
    for column in columns:
        np.minimum(cosine, _cosines(column, rows[near], others[near]), out=cosine)
        left = cosine >= threshold - TOLERANCE
        near, cosine = near[left], cosine[left]
    return near, cosine


def _cosines(column: Vectors, rows: Indices, others: Indices) -> Vectors:
    parts = [
        np.einsum("ij,ij->i", column[rows[start : start + _GATHERED]], column[others[start : start + _GATHERED]])
        for start in range(0, len(rows), _GATHERED)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
