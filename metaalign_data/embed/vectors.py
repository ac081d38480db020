"""What an embedder gives."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metaalign_data.errors import UserError

Vectors = npt.NDArray[np.float32]

SLACK = 1e-3
"""How far from 1 a length may be: half precision rounds to that."""


def check_unit(vectors: Vectors, names: Sequence[object] | None = None) -> None:
    """Raises UserError naming the first vector (by `names`, else by its number) that is not finite and of length 1."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    bad = np.flatnonzero(~(np.abs(lengths - 1) <= SLACK))
    if len(bad):
        name = names[bad[0]] if names is not None else bad[0]
        raise UserError(
            f"the vector of row {name} has length {lengths[bad[0]]:g}, not 1", fix="look at its text and the embedder"
        )
