"""Texts that share most of their word sequences."""

import re
from collections.abc import Sequence
from functools import lru_cache

from rensa import RMinHash, RMinHashLSH

from metaalign_data.duplicates.greedy import Found

SHINGLE = 3
"""Words in a sequence."""

_PERMUTATIONS = 128
_SEED = 42
_RECALL = 0.99
# A language that is written without spaces has no words for us: its characters stand in for them.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def shingles(text: str) -> frozenset[str]:
    """All sequences of SHINGLE words, case and punctuation left out; a shorter text is one sequence, "" has none."""
    words = _WORD.findall(text.casefold())
    return frozenset(" ".join(words[i : i + SHINGLE]) for i in range(max(min(len(words), 1), len(words) - SHINGLE + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared shingles over all shingles of the two; 0 where one has none."""
    return len(a & b) / len(a | b) if a and b else 0.0


def bands_for(threshold: float) -> int:
    """The fewest bands that make texts of this similarity candidates in _RECALL of the cases, or 64.

    Texts of similarity s agree in one band of r rows with probability s^r, in one of b bands at least with
    1 - (1 - s^r)^b (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4.2).
    """
    for bands in (8, 16, 32):
        if 1 - (1 - threshold ** (_PERMUTATIONS // bands)) ** bands >= _RECALL:
            return bands
    return 64


class Lexical:
    """Rows whose texts share at least `threshold` of their shingles (Jaccard), in every column.

    What is near is looked for by MinHash in the column with the most distinct texts, and then counted in each. So
    nothing is dropped wrongly, and a few near rows may be missed. `columns` and `apart` as in Exact.
    """

    def __init__(self, columns: Sequence[Sequence[str]], threshold: float, apart: Sequence[str | None]) -> None:
        self._columns, self._threshold, self._apart = columns, threshold, apart
        self._searched = max(columns, key=lambda column: len(set(column)))
        # Candidates are alike in the column that was searched: the others tell soonest that they are not near.
        self._counted = [*(column for column in columns if column is not self._searched), self._searched]
        self._index = self._new_index()
        self._hashes: dict[int, RMinHash] = {}
        self._shingles = lru_cache(maxsize=1 << 15)(shingles)

    def prepare(self, rows: Sequence[int]) -> None:
        self._hashes = {}
        for row in rows:
            if words := shingles(self._searched[row]):
                self._hashes[row] = RMinHash(_PERMUTATIONS, _SEED)
                self._hashes[row].update(list(words))

    def find(self, row: int) -> Found | None:
        """The nearest; of equally near ones the first."""
        if row not in self._hashes:
            return None
        similarity, of = self._nearest(row, self._index)
        return Found(of, similarity, "lexical") if similarity >= self._threshold else None

    def repeats(self, rows: Sequence[int]) -> set[int]:
        seen, found = self._new_index(), set()
        for row in rows:
            if row in self._hashes:
                if self._nearest(row, seen)[0] >= self._threshold:
                    found.add(row)
                else:
                    seen.insert(row, self._hashes[row])
        return found

    def keep(self, row: int) -> None:
        if row in self._hashes:
            self._index.insert(row, self._hashes[row])

    def _new_index(self) -> RMinHashLSH:
        return RMinHashLSH(self._threshold, _PERMUTATIONS, bands_for(self._threshold))

    def _nearest(self, row: int, index: RMinHashLSH) -> tuple[float, int]:
        """The similarity of the nearest row in the index, 0 for none, and its number; the first of equals."""
        near = [(-self._similarity(row, of), of) for of in index.query(self._hashes[row])]
        similarity, of = min(near, default=(0.0, 0))
        return -similarity, of

    def _similarity(self, row: int, of: int) -> float:
        if self._apart[row] is not None and self._apart[row] == self._apart[of]:
            return 0.0
        least = 1.0
        for column in self._counted:
            least = min(least, jaccard(self._shingles(column[row]), self._shingles(column[of])))
            if least < self._threshold:
                break
        return least
