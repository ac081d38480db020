"""Connected components of a graph whose edges come in parts."""

from collections.abc import Iterable

import numpy as np

from metaalign_data.neighbours.screen import Indices


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
