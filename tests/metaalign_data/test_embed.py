import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.embed import HASHED_NGRAMS, embedder

embed = embedder(HASHED_NGRAMS).embed


@given(st.lists(st.text(max_size=60), max_size=8))
def test_every_vector_has_length_1_or_is_0_for_an_empty_text(texts: list[str]) -> None:
    vectors = embed(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), 1024)
    for text, length in zip(texts, np.linalg.norm(vectors, axis=1), strict=True):
        assert length == pytest.approx(1.0 if text.strip() else 0.0, abs=1e-5) or length == 0.0


@given(st.text(min_size=1, max_size=60).filter(str.strip))
def test_a_text_is_its_own_duplicate_whatever_its_case_and_white_space(text: str) -> None:
    one, two = embed([text, f"  {text.casefold().replace(' ', '   ')}\n"])
    assert float(one @ two) == pytest.approx(float(one @ one), abs=1e-4)


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
