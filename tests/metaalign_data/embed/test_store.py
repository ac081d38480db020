from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from metaalign_data.embed import HASHED_NGRAMS, Vectors, embedder
from metaalign_data.embed.store import VectorStore
from metaalign_data.errors import UserError


class Counting:
    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return embedder(HASHED_NGRAMS).embed(texts)


def test_a_text_is_embedded_once_by_each_model(tmp_path: Path) -> None:
    model, other = Counting("a"), Counting("b")
    first = VectorStore(tmp_path / "v").embed(model, ["tea", "rice", "tea", ""])
    again = VectorStore(tmp_path / "v").embed(model, ["", "new", "rice"])
    VectorStore(tmp_path / "v").embed(other, ["tea"])
    assert model.asked == ["tea", "rice", "", "new"]
    assert other.asked == ["tea"]
    assert np.array_equal(first, embedder(HASHED_NGRAMS).embed(["tea", "rice", "tea", ""]))
    assert np.array_equal(again, embedder(HASHED_NGRAMS).embed(["", "new", "rice"]))


def test_more_texts_than_one_look_up_takes_come_back_in_their_order(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(1_201)]
    store, model = VectorStore(tmp_path / "v"), Counting("a")
    for _ in range(2):
        assert np.array_equal(store.embed(model, texts), embedder(HASHED_NGRAMS).embed(texts))
    assert len(model.asked) == 1_201


def test_no_texts_and_half_a_character_are_fine(tmp_path: Path) -> None:
    store, model = VectorStore(tmp_path / "v"), Counting("a")
    assert store.embed(model, []).shape[0] == 0
    assert store.embed(model, ["\ud800"]).shape == (1, 512)


def test_a_vector_that_is_not_finite_is_not_kept(tmp_path: Path) -> None:
    class Broken(Counting):
        def embed(self, texts: Sequence[str]) -> Vectors:
            return super().embed(texts) * np.float32([[1.0] if text == "tea" else [np.nan] for text in texts])

    broken, model = Broken("a"), Counting("a")
    assert np.isnan(VectorStore(tmp_path / "v").embed(broken, ["tea", "rice"])[1]).all()
    assert np.isfinite(VectorStore(tmp_path / "v").embed(model, ["tea", "rice"])).all()
    assert model.asked == ["rice"]


def test_vectors_of_another_length_from_before_are_told(tmp_path: Path) -> None:
    class Grown(Counting):
        def embed(self, texts: Sequence[str]) -> Vectors:
            return np.repeat(super().embed(texts), 2, axis=1)

    VectorStore(tmp_path / "v").embed(Counting("a"), ["tea"])
    with pytest.raises(UserError, match=r"v: the model gives vectors of \[512, 1024\] dimensions"):
        VectorStore(tmp_path / "v").embed(Grown("a"), ["tea", "rice"])


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("a letter to my aunt, of some length, so that SQLite has a look at it" * 20)
    with pytest.raises(UserError, match=r"v: cannot keep vectors: .*; name another file"):
        VectorStore(tmp_path / "v").embed(Counting("a"), ["tea"])
