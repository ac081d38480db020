"""Runs of words that texts have in common with a benchmark."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

SHORTEST = 5
"""Shorter runs are everyday phrases: texts of fewer words overlap only when they are equal."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")


def words(text: str) -> list[str]:
    """Words without case and punctuation; each character of Chinese and Japanese is one."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Overlap(NamedTuple):
    """`of` is the number of the benchmark text, `run` the words in common."""

    of: int
    run: tuple[str, ...]


class Overlaps:
    """Finds texts that share a run of `ngram` words with a benchmark text, or all words of the shorter one of the two
    where that has fewer.

    The 13 words of GPT-3's decontamination (Brown et al. 2020, appendix C) are the usual `ngram`.
    """

    def __init__(self, benchmark: Sequence[str], ngram: int) -> None:
        self.ngram = ngram
        self._words = [words(text) for text in benchmark]
        self._whole: dict[int, dict[tuple[str, ...], int]] = {}
        for i, found in enumerate(self._words):
            if 0 < len(found) < ngram:
                self._whole.setdefault(len(found), {}).setdefault(tuple(found), i)
        self._runs = cache(self._index)

    def find(self, text: str) -> Overlap | None:
        """The first overlap in the text, the longest kind first; of benchmark texts that share it, the first."""
        found = words(text)
        n = min(self.ngram, len(found))
        shorter = [m for m in sorted(self._whole, reverse=True) if SHORTEST <= m < n]
        for length, index in [(n, self._indexed(n)), *((m, self._whole[m]) for m in shorter)]:
            for run in _runs(found, length):
                if run in index:
                    return Overlap(index[run], run)
        return None

    def _indexed(self, n: int) -> dict[tuple[str, ...], int]:
        return self._runs(n) if n >= min(SHORTEST, self.ngram) else self._whole.get(n, {})

    def _index(self, n: int) -> dict[tuple[str, ...], int]:
        """Every run of n words in the benchmark, and the first text that has it."""
        index: dict[tuple[str, ...], int] = {}
        for i, found in enumerate(self._words):
            for run in _runs(found, n):
                index.setdefault(run, i)
        return index


def _runs(found: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return (tuple(found[i : i + n]) for i in range(len(found) - n + 1) if n)
