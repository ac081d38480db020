"""What an embedder gives, and where much of it is put."""

import shutil
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from metaalign_data.errors import UserError

Vectors = npt.NDArray[np.float32]

Embed = Callable[[Sequence[str]], Vectors]

IN_MEMORY_BYTES = 2**30
"""Vectors that take more lie in a temporary file, which the system brings into memory as far as there is room."""

AT_ONCE = 16_384
"""Texts that are embedded together."""

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


def room(rows: int, dimensions: int) -> Vectors:
    """An array for vectors yet to be made, in memory or in a file that goes when the array does.

    Raises UserError where the disk has no room for the file: writing to it would end the process without a word.
    """
    if (size := rows * dimensions * 4) <= IN_MEMORY_BYTES:
        return np.empty((rows, dimensions), dtype=np.float32)
    if size > shutil.disk_usage(folder := tempfile.gettempdir()).free:
        raise UserError(
            f"no room for {size / 1e9:,.1f} GB of vectors", where=folder, fix="set TMPDIR to another folder"
        )
    with tempfile.TemporaryFile() as file:  # the map outlives the open file, and the file goes with the map
        return np.memmap(file, dtype=np.float32, mode="w+", shape=(rows, dimensions))


def embedded(texts: Sequence[str], embed: Embed) -> Vectors:
    """The vectors of all texts, some at a time, so that no more of them than these need be in memory."""
    first = embed(texts[:AT_ONCE])
    if len(texts) <= AT_ONCE:
        return first
    made = room(len(texts), first.shape[1])
    made[:AT_ONCE] = first
    for start in range(AT_ONCE, len(texts), AT_ONCE):
        made[start : start + AT_ONCE] = embed(texts[start : start + AT_ONCE])
    return made
