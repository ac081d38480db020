"""Combinations of preferences that no training row holds: chosen by their names, before anything is trained."""

import hashlib
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import polars as pl

SPLIT = "test_unseen_combinations"
JOINT = " + "
ONE_IN = 4
"""Of so many pairs of dimensions one has half of its combinations held out."""


def hold_out(source: Path, target: Path) -> dict[str, int]:
    """Copy the pairs of `source`, a dataset folder, to `target`, with some combinations in a split of their own.

    Of a chosen pair of dimensions those combinations are held out whose values stand on the same (or on the opposite)
    sides: each value stays in train, alone and beside values of the other dimension, and both rows of a flip go the
    same way, for which a dimension needs two values. Returns rows by split.
    """
    files = sorted((source / "pairs").glob("*.parquet"))
    splits = {path.name.split("-")[0]: pl.read_parquet(path) for path in files}
    order = _order_of_values(splits.values())
    marked = {
        name: frame.with_columns(
            held_out=pl.struct("dimension", "value").map_elements(
                lambda cell: _is_held_out(cell["dimension"], cell["value"], order), return_dtype=pl.Boolean
            )
        )
        for name, frame in splits.items()
    }
    made = {name: frame.filter(~pl.col("held_out")).drop("held_out") for name, frame in marked.items()}
    made[SPLIT] = pl.concat([frame.filter("held_out").drop("held_out") for frame in marked.values()])
    folder = target / "pairs"
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in made.items():
        frame.write_parquet(folder / f"{name}-00000-of-00001.parquet")
    return {name: frame.height for name, frame in made.items()}


def _order_of_values(frames: Iterable[pl.DataFrame]) -> dict[str, list[str]]:
    """The values of each dimension, by name."""
    cells = {
        cell
        for frame in frames
        for dimension, value in frame.select("dimension", "value").unique().iter_rows()
        for cell in zip(dimension.split(JOINT), value.split(JOINT), strict=True)
    }
    return {name: sorted(value for dimension, value in cells if dimension == name) for name, _ in cells}


def _is_held_out(dimension: str, value: str, order: dict[str, list[str]]) -> bool:
    cells = sorted(zip(dimension.split(JOINT), value.split(JOINT), strict=True))
    return any(_pair_is_held_out(one, other, order) for one, other in combinations(cells, 2))


def _pair_is_held_out(one: tuple[str, str], other: tuple[str, str], order: dict[str, list[str]]) -> bool:
    if any(len(order[name]) != 2 for name, _ in (one, other)):
        return False
    drawn = hashlib.sha256(f"{one[0]} {other[0]}".encode()).digest()
    same_side = order[one[0]].index(one[1]) == order[other[0]].index(other[1])
    return drawn[0] % ONE_IN == 0 and same_side == (drawn[1] % 2 == 0)
