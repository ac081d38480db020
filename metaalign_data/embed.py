"""Texts as unit vectors whose dot product says how alike they are."""

import re
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from metaalign_data.errors import MissingExtra, UserError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

HASHED_NGRAMS = "hashed-ngrams"
_SPACE = re.compile(r"\s+")


class Embedder(Protocol):
    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dimensions), each row of length 1. Equal texts have equal rows, empty ones too.

        Raises UserError when a model cannot be loaded.
        """
        ...


@cache
def embedder(name: str) -> Embedder:
    """The embedder "hashed-ngrams", or a sentence-transformers model by its name or path.

    Raises MissingExtra, at once, where the model's package is not installed.
    """
    if name == HASHED_NGRAMS:
        return HashedNgrams()
    if find_spec("sentence_transformers") is None:
        raise MissingExtra(f"embedding with {name}", "embed")
    return SentenceModel(name)


def normalised(text: str) -> str:
    """Case and white space folded."""
    return _SPACE.sub(" ", text).strip().casefold()


class HashedNgrams:
    """Character n-grams hashed into a vector: offline, without weights, the same on every machine.

    It sees spelling, not meaning: good for copies and light edits, blind to paraphrase. Counts of all n-grams of 3 to 5
    characters are added with a hashed sign into `dimensions` buckets and damped by a square root. Case and white space
    do not count. One word changed in a sentence leaves a cosine near 0.93, in a paragraph near 0.98; unrelated
    sentences are below 0.5.
    """

    def __init__(self, dimensions: int = 512, lengths: Sequence[int] = (3, 4, 5)) -> None:
        self.dimensions, self.lengths = dimensions, tuple(lengths)

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._embed_one(f" {normalised(text)} ")
        return vectors

    def _embed_one(self, text: str) -> Vectors:
        codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
        lengths = [n for n in self.lengths if n <= len(codes)] or [len(codes)]  # an empty text is two spaces by now
        hashes = np.concatenate([_ngram_hashes(codes, n) for n in lengths])
        signs = np.where(hashes >> np.uint64(63), 1.0, -1.0)
        sums = np.bincount(
            (hashes % np.uint64(self.dimensions)).astype(np.int64), weights=signs, minlength=self.dimensions
        )
        damped = np.sign(sums) * np.sqrt(np.abs(sums))
        length = float(np.linalg.norm(damped))
        return (damped / length if length else damped).astype(np.float32)


def _ngram_hashes(codes: npt.NDArray[np.uint64], n: int) -> npt.NDArray[np.uint64]:
    """64-bit hashes of all n-grams: a polynomial over the characters, then the finaliser of SplitMix64."""
    h = np.full(len(codes) - n + 1, n, dtype=np.uint64)
    for i in range(n):
        h = h * np.uint64(0x100000001B3) + codes[i : len(codes) - n + 1 + i]
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


class SentenceModel:
    """A sentence-transformers model, loaded when it is first used. It reads no further than its maximum length."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _model(self) -> "SentenceTransformer":
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(self.name, trust_remote_code=False)
        except (OSError, ValueError) as e:  # no such model, no network, or one that would run code of its own
            raise UserError(f"the embedding model '{self.name}' cannot be loaded: {e}") from e

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, 1), dtype=np.float32)
        encoded = self._model.encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(encoded, dtype=np.float32)
