import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.embed.sentences import SentenceModel
from metaalign_data.errors import UserError
from metaalign_data.recipe import Recipe

embed = embedder(HASHED_NGRAMS).embed


@given(st.lists(st.text(max_size=60), max_size=8))
def test_every_vector_has_length_1_that_of_an_empty_text_too(texts: list[str]) -> None:
    vectors = embed(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), 512)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)


@given(st.text(min_size=1, max_size=60).filter(str.strip))
def test_a_text_is_its_own_duplicate_whatever_its_case_and_white_space(text: str) -> None:
    one, two = embed([text, f"  {text.casefold().replace(' ', '   ')}\n"])
    assert float(one @ two) == pytest.approx(1.0, abs=1e-5)


@given(st.lists(st.text(max_size=30), max_size=150))
def test_a_text_has_the_same_vector_alone_and_among_others(texts: list[str]) -> None:
    together = embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal(embed([text])[0], vector)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        ("I like short answers, please.", "I like short answers, please!", 0.9, 1.0),
        ("Keep it brief and skip the small talk.", "Keep it brief, and skip all small talk.", 0.7, 0.98),
        ("Keep it brief.", "My garden has three old apple trees.", -0.1, 0.2),
    ],
)
def test_likeness_follows_the_spelling(a: str, b: str, low: float, high: float) -> None:
    one, two = embed([a, b])
    assert low <= float(one @ two) <= high


def test_vectors_are_the_same_in_every_process() -> None:
    code = (
        "from metaalign_data.embed import embedder as e; print(e('hashed-ngrams').embed(['one text']).tobytes().hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {embed(["one text"]).tobytes().hex().encode() + b"\n"}


@pytest.fixture(scope="module")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model with random weights, of a few words."""
    transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: i for i, word in enumerate(["?", "short", "answers", "please", "trees"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("model")
    transformers.SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu").save(
        str(folder)
    )
    return folder


def test_a_sentence_transformers_model_gives_unit_vectors_in_the_order_of_the_texts(sentence_model: Path) -> None:
    texts = ["short answers please", "trees", "please short answers"]
    vectors = embedder(str(sentence_model)).embed(texts)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert float(vectors[0] @ vectors[2]) == pytest.approx(1.0, abs=1e-5)
    assert float(vectors[0] @ vectors[1]) < 0.99


def test_blank_texts_that_the_model_reads_nothing_of_are_equal_and_near_to_no_other(sentence_model: Path) -> None:
    vectors = embedder(str(sentence_model)).embed(["", "trees", " \n", "short answers"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert np.array_equal(vectors[0], vectors[2])
    assert np.abs(vectors[0] @ vectors[[1, 3]].T).max() < 0.9


def test_a_model_is_known_by_its_files_too(sentence_model: Path, tmp_path: Path) -> None:
    identity = SentenceModel(str(sentence_model)).identity
    assert identity == SentenceModel(str(sentence_model)).identity
    copy = shutil.copytree(sentence_model, tmp_path / "model")
    before = SentenceModel(str(copy)).identity
    next(copy.rglob("*.safetensors")).write_bytes(b"other weights")
    assert SentenceModel(str(copy)).identity != before


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_its_vectors_are_those_of_encode_in_either_precision(
    precision: str, sentence_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pytest.importorskip("sentence_transformers").SentenceTransformer(str(sentence_model), device="cpu")
    model = SentenceModel(str(sentence_model))
    monkeypatch.setitem(model.__dict__, "_precision", precision)
    texts = ["short answers please", "trees", "please"] * 40  # more than a batch for each core
    cosines = (model.embed(texts) * plain.encode(texts, normalize_embeddings=True)).sum(axis=1)
    assert cosines.min() > 0.999
    assert model.embed([]).shape[0] == 0


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere", "~/nowhere", "{empty}"])
def test_a_folder_without_a_model_is_told_before_anything_is_asked(name: str, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    embed_by = {"embedder": name.format(empty=tmp_path)}
    chain = ["sample_preferences", "generate_responses", "judge", "pair", {"dedup": embed_by}]
    queries = {"source": "bundled"}
    with pytest.raises(UserError, match=r"this folder holds no model: neither modules\.json nor config\.json"):
        Recipe.from_dict({"name": "r", "teacher": {"provider": "simulated"}, "queries": queries, "stages": chain})


def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text("{}")
    with pytest.raises(UserError, match=r"the embedding model '.*broken' cannot be loaded"):
        embedder(str(tmp_path / "broken")).embed(["a"])
