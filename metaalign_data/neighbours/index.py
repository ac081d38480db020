"""An index of kept rows, for more of them than can be compared one by one: faiss, from the extra `index`.

Vectors are sorted into about 2 sqrt(n) cells by k-means and looked for in the PROBES nearest cells, one byte a
dimension. What it finds is verified elsewhere, so nothing is taken for near that is not; what it misses is measured.
"""

from importlib.util import find_spec
from math import log2, sqrt
from typing import Any

import numpy as np

from metaalign_data.embed import Vectors
from metaalign_data.neighbours.screen import Indices

LEARNT_FROM = 2**18
"""Vectors that the cells are made from."""
PROBES = 16
SLACK = 0.01
"""How much less than the threshold a cosine by rounded vectors may be: their error is some thousandths."""


def available() -> bool:
    return find_spec("faiss") is not None


class Index:
    """Vectors numbered as they are added. `expected` is how many there may be in the end; `learn_from` shows how they
    lie. 384 dimensions take 0.4 kB a vector.
    """

    def __init__(self, learn_from: Vectors, expected: int) -> None:
        import faiss

        dimensions = learn_from.shape[1]
        cells = 2 ** round(log2(max(2 * sqrt(expected), 1)))
        self.cells = max(1, min(cells, len(learn_from) // 39))  # fewer examples a cell, and faiss warns
        self._index: Any = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimensions),
            dimensions,
            self.cells,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
            False,  # the vectors themselves, not what is left of them in their cell: their products are the cosines
        )
        self._index.cp.max_points_per_centroid = LEARNT_FROM // self.cells + 1
        self._index.train(np.ascontiguousarray(learn_from, dtype=np.float32))
        self._index.nprobe = min(PROBES, self.cells)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, vectors: Vectors) -> None:
        self._index.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def candidates(self, vectors: Vectors, threshold: float) -> tuple[Indices, Indices]:
        """Pairs that may be at least `threshold` close: place of the vector, number of the one in the index."""
        limits, _, numbers = self._index.range_search(np.ascontiguousarray(vectors), threshold - SLACK)
        places = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.intp)))
        return places, numbers.astype(np.intp)
