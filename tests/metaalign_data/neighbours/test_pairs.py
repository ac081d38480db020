import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaalign_data.errors import UserError
from metaalign_data.neighbours import TOLERANCE, pairs, pairs_above
from vectors import random_vectors

pytestmark = pytest.mark.usefixtures("sizes_of_blocks")
SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def found(vectors: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    parts = list(pairs_above(vectors, threshold))
    return sorted(pair for i, j in parts for pair in zip(i.tolist(), j.tolist(), strict=True))


@SHARED
@given(seed=st.integers(0, 10_000), n=st.integers(0, 40), threshold=st.floats(0.3, 0.99))
def test_pairs_above_are_those_of_the_plain_product(seed: int, n: int, threshold: float) -> None:
    vectors = random_vectors(seed, n)
    close = vectors @ vectors.T >= threshold - TOLERANCE
    assert found(vectors, threshold) == [(i, j) for i in range(n) for j in range(i + 1, n) if close[i, j]]


def test_equal_rows_are_pairs_at_the_threshold_1() -> None:
    assert found(np.repeat(random_vectors(0, 1), 5, axis=0), 1.0) == [(i, j) for i in range(5) for j in range(i + 1, 5)]


def test_hours_of_work_are_told_before_they_begin(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pairs, "LARGE", 30)
    found(random_vectors(0, 29), 0.9)
    assert caplog.text == ""
    found(random_vectors(0, 30), 0.9)
    assert "all pairs of 30 texts are compared exactly, which takes hours" in caplog.text


@pytest.mark.parametrize(("value", "length"), [(np.nan, "nan"), (np.inf, "inf"), (0.0, "0"), (2.0, "9.79796")])
def test_a_vector_that_has_not_length_1_is_named(value: float, length: str) -> None:
    vectors = random_vectors(0, 4)
    vectors[2] = value
    with pytest.raises(UserError, match=f"the vector of row 2 has length {length}, not 1"):
        found(vectors, 0.9)
