"""Hashed character n-grams: an embedder without weights."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from metaalign_data.embed.vectors import Vectors

LENGTHS = (3, 4, 5)
_CHARACTERS, _TEXTS = 16_384, 64
"""Of so many at most the hashes are computed together: what is made on the way stays in the cache of a core."""
_SPACE = re.compile(r"\s+")

Codes = npt.NDArray[np.uint64]


def normalised(text: str) -> str:
    """Case and white space folded."""
    return _SPACE.sub(" ", text).strip().casefold()


class HashedNgrams:
    """Character n-grams hashed into a vector: offline, without weights, the same on every machine.

    It sees spelling, not meaning: good for copies and light edits, blind to paraphrase. Counts of all n-grams of 3 to 5
    characters are added with a hashed sign into 512 buckets and damped by a square root. Case and white space
    do not count. One word changed in a sentence leaves a cosine near 0.93, in a paragraph near 0.98; unrelated
    sentences are below 0.5.
    """

    dimensions = 512  # a power of 2

    @property
    def identity(self) -> str:
        return f"hashed-ngrams {self.dimensions}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        first = 0
        for part in _parts([f" {normalised(text) or ' '} " for text in texts]):
            vectors[first : first + len(part)] = self._embed_part(part)
            first += len(part)
        return vectors

    def _embed_part(self, texts: Sequence[str]) -> Vectors:
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
        lengths = [len(text) for text in texts]
        row = np.repeat(np.arange(len(texts), dtype=np.intp) * self.dimensions, lengths)
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))  # characters to the end of the text
        sums = np.zeros(len(texts) * self.dimensions)
        for n, hashes in zip(LENGTHS, _ngram_hashes(codes), strict=True):
            bucket = (hashes & np.uint64(self.dimensions - 1)).view(np.int64) + row[: len(hashes)]
            sign = np.where(hashes >> np.uint64(63), 1.0, -1.0) * (left[: len(hashes)] >= n)  # 0 across two texts
            sums += np.bincount(bucket, weights=sign, minlength=len(sums))
        damped = (np.sign(sums) * np.sqrt(np.abs(sums))).reshape(len(texts), self.dimensions)
        length = np.linalg.norm(damped, axis=1, keepdims=True)
        return (damped / np.where(length, length, 1.0)).astype(np.float32)


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, _TEXTS or some _CHARACTERS of them at a time."""
    part: list[str] = []
    characters = 0
    for text in texts:
        part.append(text)
        characters += len(text)
        if characters >= _CHARACTERS or len(part) >= _TEXTS:
            yield part
            part, characters = [], 0
    if part:
        yield part


def _ngram_hashes(codes: Codes) -> Iterator[Codes]:
    """64-bit hashes of all n-grams, for each of LENGTHS: a polynomial over the characters, then the finaliser of
    SplitMix64.
    """
    for n in LENGTHS:
        h = np.full(max(0, len(codes) - n + 1), n, dtype=np.uint64)
        for i in range(n):
            h *= np.uint64(0x100000001B3)
            h += codes[i : i + len(h)]
        h ^= h >> np.uint64(30)
        h *= np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(27)
        h *= np.uint64(0x94D049BB133111EB)
        yield h ^ (h >> np.uint64(31))
