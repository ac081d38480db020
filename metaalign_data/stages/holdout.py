"""Groups of rows that have to stand on one side of a split, and which of these groups are held out of training."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import polars as pl

from metaalign_data.embed import Embed, embedded, normalised
from metaalign_data.neighbours import Indices, clusters, pairs_above
from metaalign_data.records import digest
from metaalign_data.stages.overlap import words

Flags = npt.NDArray[np.bool_]

GIANT_OF_ALL = 0.1
GIANT_OF_SUBSET = 0.2
"""Shares of the rows beyond which a group is never held out: too much would be missing from train."""


@dataclass(frozen=True)
class Sides:
    """Texts of an earlier split: those that train had, and those that it did not."""

    train: frozenset[str] = frozenset()
    held_out: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: pl.Series, train: pl.Series) -> "Sides":
        folded = [normalised(text) for text in texts]
        kept = frozenset(text for text, is_train in zip(folded, train, strict=True) if is_train)
        return cls(kept, frozenset(folded) - kept)


NO_SIDES = Sides()


class Groups:
    """Rows whose texts are near-duplicates, or that share a bond, directly or through others.

    `of` holds the group of each row, a number. A group's draw is a number in [0, 1) that follows from `salt` and from
    the smallest hash among its texts, case and punctuation aside: a text that joins a group of n changes it with odds
    of 1 in n + 1, and other groups never do.
    """

    def __init__(
        self, texts: Sequence[str], bonds: Iterable[pl.Series], embed: Embed, threshold: float, salt: str
    ) -> None:
        distinct, place = np.unique(np.array(texts, dtype=object), return_inverse=True)
        folded = [normalised(text) for text in distinct]
        ties = chain([_ties(pl.Series(folded, dtype=pl.String), np.arange(len(distinct)))], _bound(bonds, place))
        near = pairs_above(embedded(distinct.tolist(), embed), threshold)
        root = clusters(len(distinct), chain(near, ties))
        smallest: dict[int, str] = {}
        for group, text in zip(root.tolist(), folded, strict=True):
            hashed = digest(salt, *words(text))
            smallest[group] = min(hashed, smallest.get(group, hashed))
        self.of: Indices = root[place]
        self._members = list(zip(root.tolist(), folded, strict=True))
        self.draws = {group: _draw(hashed) for group, hashed in smallest.items()}

    def held_out(self, share: float, subsets: Sequence[str], before: Sides = NO_SIDES) -> Flags:
        """For each row whether its group is held out; `subsets` holds the subset of each row.

        A group with a text that was in train `before` stays there, else one with a text that was held out is again.
        Of the others a group is held out when its draw is below `share`, so that each subset has about its share of
        the rows. Where that leaves a subset without any, the group with its smallest draw is taken. Giant groups are
        never held out.
        """
        in_train, was_out = (pl.col("group").is_in(self._with(texts)) for texts in (before.train, before.held_out))
        free = self._parts(share, subsets).filter(~pl.col("giant") & ~in_train)
        smallest = pl.col("draw") == pl.col("draw").min().over("subset")
        held = free.filter((pl.col("draw") < share) | ((smallest | was_out) & (share > 0)))
        return np.isin(self.of, held["group"].to_numpy())

    def _with(self, texts: frozenset[str]) -> list[int]:
        return sorted({group for group, text in self._members if text in texts})

    def _parts(self, share: float, subsets: Sequence[str]) -> pl.DataFrame:
        """Each group in each subset, with its draw, and whether it is giant in all or in any of its subsets."""
        rows = pl.DataFrame({"group": self.of, "subset": pl.Series(subsets, dtype=pl.String)})
        parts = rows.group_by("group", "subset").agg(here=pl.len())
        sums = parts.with_columns(
            draw=pl.col("group").replace_strict(self.draws, return_dtype=pl.Float64),
            in_all=pl.col("here").sum().over("group"),
            subset_rows=pl.col("here").sum().over("subset"),
        )
        giant = (pl.col("in_all") > max(GIANT_OF_ALL, share) * rows.height) | (
            pl.col("here") > max(GIANT_OF_SUBSET, share) * pl.col("subset_rows")
        )
        return sums.with_columns(giant=pl.col("group").is_in(sums.filter(giant)["group"].implode()))

    def among(self, rows: Flags) -> Flags:
        """For each row whether any of `rows` is of its group."""
        return np.isin(self.of, self.of[rows])


def _bound(bonds: Iterable[pl.Series], place: Indices) -> Iterator[tuple[Indices, Indices]]:
    return (_ties(bond, place) for bond in bonds)


def _ties(keys: pl.Series, place: Indices) -> tuple[Indices, Indices]:
    """Pairs that tie each place to the first one of the same key; a null ties nothing."""
    table = pl.DataFrame({"key": keys, "place": place}).drop_nulls("key")
    ties = table.select("place", first=pl.col("place").first().over("key"))
    return ties["first"].to_numpy().astype(np.intp), ties["place"].to_numpy().astype(np.intp)


def _draw(hashed: str) -> float:
    return int(digest("draw", hashed), 16) / 2.0**64
