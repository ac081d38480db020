from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaalign_data.embed import Vectors
from metaalign_data.errors import UserError
from metaalign_data.neighbours import TOLERANCE, greedy_cover
from vectors import chain, random_vectors

pytestmark = pytest.mark.usefixtures("sizes_of_blocks")
SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds, sizes, thresholds = st.integers(0, 10_000), st.integers(1, 40), st.floats(0.3, 0.99)


def cosine(columns: Sequence[Vectors], i: int, j: int) -> float:
    return min(float(c[i] @ c[j]) for c in columns)


@SHARED
@given(seed=seeds, n=sizes, threshold=thresholds, wide=st.booleans())
def test_no_two_kept_rows_are_close_and_each_dropped_row_is_close_to_the_kept_one_it_names(
    seed: int, n: int, threshold: float, wide: bool
) -> None:
    columns = [random_vectors(seed, n), *([random_vectors(seed + 1, n)] if wide else [])]
    verdicts = greedy_cover(columns, threshold, [None] * n)
    kept = [i for i, verdict in enumerate(verdicts) if verdict is None]
    assert all(cosine(columns, i, j) < threshold for i in kept for j in kept if i < j)
    for i, verdict in enumerate(verdicts):
        if verdict:
            assert verdicts[verdict.of] is None
            assert verdict.of < i
            assert cosine(columns, i, verdict.of) >= threshold - 2 * TOLERANCE


def test_a_chain_leaves_no_dropped_row_without_a_near_kept_one() -> None:
    links = chain(1000, 0.93)
    verdicts = greedy_cover([links], 0.92, [None] * 1000)
    assert all(v is None or float(links[i] @ links[v.of]) >= 0.92 - TOLERANCE for i, v in enumerate(verdicts))
    assert 0 < sum(v is not None for v in verdicts) < 1000


def test_rows_that_are_held_apart_are_never_compared() -> None:
    same = np.ones((3, 2), dtype=np.float32) / np.float32(np.sqrt(2))
    assert [v and v.of for v in greedy_cover([same], 0.9, ["f", "f", None])] == [None, None, 0]


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one_row_are_kept(n: int) -> None:
    assert greedy_cover([random_vectors(0, n)], 0.9, [None] * n) == [None] * n


@SHARED
@given(seed=seeds, n=sizes, threshold=thresholds)
def test_the_kept_row_that_is_named_is_the_nearest(seed: int, n: int, threshold: float) -> None:
    vectors = random_vectors(seed, n)
    verdicts = greedy_cover([vectors], threshold, [None] * n)
    kept = [i for i, verdict in enumerate(verdicts) if verdict is None]
    for i, verdict in enumerate(verdicts):
        if verdict:
            nearest = max(float(vectors[i] @ vectors[j]) for j in kept if j < i)
            assert float(vectors[i] @ vectors[verdict.of]) == pytest.approx(nearest, abs=1e-5)
            assert verdict.cosine == pytest.approx(nearest, abs=1e-5)


def test_identical_rows_by_the_thousand_leave_one() -> None:
    same = np.repeat(random_vectors(0, 1), 5_000, axis=0)
    verdicts = greedy_cover([same], 1.0, [None] * 5_000)
    assert verdicts[0] is None
    assert {v.of for v in verdicts[1:] if v} == {0}
    assert None not in verdicts[1:]


def test_a_vector_that_is_not_finite_is_named() -> None:
    vectors = random_vectors(0, 4)
    vectors[3, 1] = np.nan
    with pytest.raises(UserError, match="the vector of row 3 has length nan"):
        greedy_cover([vectors], 0.9, [None] * 4)
