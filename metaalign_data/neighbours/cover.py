"""The rows that stay when near-duplicates go: a greedy cover in a given order."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metaalign_data.embed import Vectors, check_unit
from metaalign_data.neighbours.index import LEARNT_FROM, Index, available
from metaalign_data.neighbours.screen import SAMPLE, TILE, TOLERANCE, Indices, Screen, fit, near_pairs, verified
from metaalign_data.neighbours.threads import side_by_side

LOG = logging.getLogger(__name__)

BLOCK = 1024
"""Rows that are looked at together."""
SCREENED = 2_048
"""From so many kept rows on, looking for a screen costs less than it saves."""
STRIP = 8 * TILE
INDEXED = 2_000_000
"""From so many rows on, an index that misses some is worth the hours that it saves (benchmarks/bench_dedup.py)."""

WITH_INDEX = "with faiss (pip install 'metaalign-data[index]') it would not, and miss some"

PROBED_EVERY, PROBED, MEASURED_TILE = 64, 64, 16_384
"""Of every so many blocks, so many rows are looked for in the index and exactly, among so many kept ones at a time."""


@dataclass(frozen=True)
class Duplicate:
    """A row that goes: the kept row that it duplicates, and how alike they are (cosine, the least over the columns)."""

    of: int
    cosine: float


class Cover:
    """Grows a set of kept rows. Rows are looked at in blocks, and kept one by one.

    `columns` hold the vectors of all rows, one array for each thing compared; those of a row must be there when it is
    looked at. Two rows are near if they are at least `threshold` close in every column and do not share a value of
    `apart`, None aside. Memory beside the columns: a sketch of each kept row, and BLOCK x BLOCK cosines.

    Exact, except for INDEXED rows and more where faiss is installed: then a row that is near to a kept one may be kept
    as well, and how seldom that happens is measured on a row of each block. What is dropped is near a kept row, always.
    """

    def __init__(self, columns: Sequence[Vectors], threshold: float, apart: Sequence[str | None]) -> None:
        self.columns, self.threshold = columns, threshold
        numbers = {name: number for number, name in enumerate(dict.fromkeys(apart))}
        self._group = np.array([-1 if name is None else numbers[name] for name in apart], dtype=np.intp)
        self._kept = np.empty(len(apart), dtype=np.intp)
        self._n_kept = 0
        self._screen = Screen(0, None)
        self._fitted_at = 0
        self._sketches: Vectors | None = None
        self._index: Index | None = None
        self._looks = self._sampled = self._missed = 0
        if self._large and not available():
            LOG.warning("%s rows are compared exactly, which takes hours: %s", f"{len(apart):,}", WITH_INDEX)

    @property
    def _large(self) -> bool:
        return len(self._group) >= INDEXED

    @property
    def _column(self) -> Vectors:
        return self.columns[self._screen.column]

    @property
    def method(self) -> str:
        """How it looks, in words for people."""
        if self._index is not None:
            found = f"{1 - self._missed / self._sampled:.1%}" if self._sampled else "an unknown share"
            return (
                f"an index of {self._index.cells:,} cells, which found {found} of {self._sampled:,} near rows sampled"
            )
        if self._large and not available():
            return f"exact search, which takes hours here: {WITH_INDEX}"
        if (dimensions := self._screen.dimensions) is None:
            return "exact search, by plain products"
        return f"exact search, screened by {dimensions} of {self._column.shape[1]} dimensions"

    def look(self, rows: Indices) -> None:
        """Compare `rows` (at most BLOCK, none looked at before) with each other and with those kept so far."""
        self._fit()
        self._rows, self._place = rows, {int(row): place for place, row in enumerate(rows)}
        slabs = side_by_side(
            lambda part: (
                self._screen.sketch(self._column[part]),
                np.minimum.reduce([column[part] @ column[rows].T for column in self.columns]),
            ),
            [rows[start : start + TILE] for start in range(0, len(rows), TILE)],
        )
        self._sketch, self._inside = (np.concatenate(parts) for parts in zip(*slabs, strict=True))
        self._nearest, self._cosine = self._nearest_kept(rows)
        group = self._group[rows]
        self._inside[(group[:, None] == group) & (group >= 0)] = -np.inf
        self._is_kept = np.zeros(len(rows), dtype=bool)

    def find(self, row: int) -> Duplicate | None:
        """The nearest kept row that is near to this one of the rows last looked at."""
        place = self._place[row]
        of, cosine = self._nearest[place], self._cosine[place]
        among = np.where(self._is_kept, self._inside[place], np.float32(-np.inf))
        best = int(among.argmax())
        if among[best] > cosine:
            of, cosine = self._rows[best], among[best]
        return Duplicate(int(of), float(cosine)) if cosine >= self.threshold - TOLERANCE else None

    def keep(self, row: int) -> None:
        """Keep one of the rows last looked at."""
        place = self._place[row]
        self._is_kept[place] = True
        self._kept[self._n_kept] = row
        if self._sketches is not None:
            self._sketches[self._n_kept] = self._sketch[place]
        self._n_kept += 1

    def _fit(self) -> None:
        """Find an index or a screen when there is something to learn from: at first, and while the sample grows."""
        if self._index is None and self._large and self._n_kept >= LEARNT_FROM and available():
            self._index = Index(self._column[self._kept[:LEARNT_FROM]], len(self._group))
            self._screen, self._sketches = Screen(self._screen.column, None), None
            told = "of %s rows %s are kept so far; from here on near ones are looked for in an index of %s cells"
            LOG.warning(told, *(f"{n:,}" for n in (len(self._group), self._n_kept, self._index.cells)))
        if self._index is not None:
            self._index.add(self._column[self._kept[len(self._index) : self._n_kept]])
            return
        if self._n_kept < SCREENED or self._n_kept < 4 * self._fitted_at or self._fitted_at >= SAMPLE:
            return
        kept = self._kept[: self._n_kept]
        self._screen = fit(self.columns, kept, self.threshold)
        self._fitted_at = self._n_kept
        self._sketches = None
        if (dimensions := self._screen.dimensions) is not None:
            self._sketches = np.empty((len(self._kept), dimensions + 1), dtype=np.float32)
            for start in range(0, len(kept), BLOCK):
                part = self._column[kept[start : start + BLOCK]]
                self._sketches[start : start + len(part)] = self._screen.sketch(part)

    def _nearest_kept(self, rows: Indices) -> tuple[Indices, Vectors]:
        """For each of the rows the nearest kept one, the first of equals, its cosine (minus infinity: none near)."""

        def strip(corner: tuple[int, int]) -> tuple[Indices, Indices, Vectors]:
            start, left = corner
            tiles = range(left, min(left + STRIP, self._n_kept), TILE)
            found = [self._near(rows[start : start + TILE], self._sketch[start : start + TILE], t) for t in tiles]
            i, others, cosine = (np.concatenate(parts) for parts in zip(*found, strict=True))
            return i + start, others, cosine

        if self._index is not None:
            return self._nearest_indexed(self._index, rows)
        nearest, best = np.zeros(len(rows), dtype=np.intp), np.full(len(rows), -np.inf, dtype=np.float32)
        corners = [(start, left) for left in range(0, self._n_kept, STRIP) for start in range(0, len(rows), TILE)]
        for i, others, cosine in side_by_side(strip, corners):
            first = _closest(i, others, cosine)
            closer = first[cosine[first] > best[i[first]]]
            best[i[closer]], nearest[i[closer]] = cosine[closer], others[closer]
        return nearest, best

    def _nearest_indexed(self, index: Index, rows: Indices) -> tuple[Indices, Vectors]:
        nearest, best = np.zeros(len(rows), dtype=np.intp), np.full(len(rows), -np.inf, dtype=np.float32)
        i, numbers = index.candidates(self._column[rows], self.threshold)
        others = self._kept[numbers]
        near, cosine = near_pairs(self.columns, self.threshold, rows[i], others)
        apart = self._apart(rows[i[near]], others[near])
        i, others, cosine = i[near][apart], others[near][apart], cosine[apart]
        first = _closest(i, others, cosine)
        best[i[first]], nearest[i[first]] = cosine[first], others[first]
        self._looks += 1
        if self._looks % PROBED_EVERY == 1:
            self._measure(rows[:PROBED], best[:PROBED])
        return nearest, best

    def _measure(self, rows: Indices, found: Vectors) -> None:
        """Count for how many of the rows some kept row is near, and for how many of these the index found none."""
        near = np.zeros(len(rows), dtype=bool)
        for start in range(0, self._n_kept, MEASURED_TILE):
            others = self._kept[start : min(start + MEASURED_TILE, self._n_kept)]
            least = np.minimum.reduce([column[rows] @ column[others].T for column in self.columns])
            near |= ((least >= self.threshold) & self._apart(rows[:, None], others)).any(axis=1)
        self._sampled += int(near.sum())
        self._missed += int((near & (found == -np.inf)).sum())

    def _apart(self, rows: Indices, others: Indices) -> npt.NDArray[np.bool_]:
        """Which of the pairs may be compared: those that share no value of `apart`."""
        apart: npt.NDArray[np.bool_] = (self._group[rows] != self._group[others]) | (self._group[rows] < 0)
        return apart

    def _near(self, rows: Indices, sketch: Vectors, first: int) -> tuple[Indices, Indices, Vectors]:
        """Pairs of the rows and the tile of kept ones from `first` on: place of the row, the kept row, the cosine."""
        others = self._kept[first : min(first + TILE, self._n_kept)]
        kept = self._sketches[first : first + len(others)] if self._sketches is not None else self._column[others]
        candidates = np.flatnonzero(sketch @ kept.T >= self.threshold - 2 * TOLERANCE)
        i, j, cosine = verified(self.columns, self.threshold, rows, others, candidates)
        apart = self._apart(rows[i], others[j])
        return i[apart], others[j[apart]], cosine[apart]


def _closest(i: Indices, others: Indices, cosine: Vectors) -> Indices:
    """Of the pairs with the same i, the place of the closest, the first of equals."""
    order = np.lexsort((others, -cosine, i))
    return order[np.unique(i[order], return_index=True)[1]]


def greedy_cover(columns: Sequence[Vectors], threshold: float, apart: Sequence[str | None]) -> list[Duplicate | None]:
    """For each row, in this order: None if it is kept, else the kept row that it duplicates.

    A row is dropped if and only if it is near, as Cover says, to a row that was kept before it. So no two kept rows are
    near each other, and each dropped row is near the kept row that it names. Raises UserError for vectors not of
    length 1.
    """
    for column in columns:
        check_unit(column)
    cover = Cover(columns, threshold, apart)
    verdicts: list[Duplicate | None] = []
    for start in range(0, len(apart), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(apart)))
        cover.look(rows)
        for row in rows.tolist():
            verdict = cover.find(row)
            if verdict is None:
                cover.keep(row)
            verdicts.append(verdict)
    return verdicts
