"""Texts as unit vectors whose dot product says how alike they are."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Protocol

from metaalign_data.embed.ngrams import HashedNgrams, normalised
from metaalign_data.embed.sentences import SentenceModel
from metaalign_data.embed.server import EmbeddingServer
from metaalign_data.embed.vectors import Embed, Vectors, check_unit, embedded, room
from metaalign_data.errors import MissingExtra

__all__ = [
    "HASHED_NGRAMS",
    "Embed",
    "Embedder",
    "EmbedderName",
    "EmbeddingServer",
    "Vectors",
    "check_unit",
    "embedded",
    "embedder",
    "normalised",
    "room",
]

HASHED_NGRAMS = "hashed-ngrams"
EmbedderName = str | EmbeddingServer
"""hashed-ngrams, a sentence-transformers model by name or path, or a model behind a server."""


class Embedder(Protocol):
    @property
    def identity(self) -> str:
        """All that shapes the vectors, as a string: what they are kept by. Holds no secret."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dimensions), each row of length 1. Equal texts have equal rows, empty ones too.

        Raises UserError when a model cannot be loaded.
        """
        ...


@cache
def embedder(name: str) -> Embedder:
    """The embedder "hashed-ngrams", or a sentence-transformers model by its name or path.

    Raises at once: MissingExtra where the model's package is not installed, UserError for a folder without a model.
    """
    if name == HASHED_NGRAMS:
        return HashedNgrams()
    if find_spec("sentence_transformers") is None:
        raise MissingExtra(f"embedding with {name}", "embed")
    return SentenceModel(name)
