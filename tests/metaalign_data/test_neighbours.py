from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data import neighbours
from metaalign_data.embed import Vectors
from metaalign_data.neighbours import TOLERANCE, clusters, greedy_cover, pairs_above


def unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_vectors(seed: int, n: int, dims: int = 6) -> Vectors:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, n // 4), dims))
    return unit(centres[rng.integers(len(centres), size=n)] + 0.3 * rng.normal(size=(n, dims)))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 7)


seeds, sizes, thresholds = st.integers(0, 10_000), st.integers(1, 40), st.floats(0.3, 0.99)


@settings(deadline=None)
@given(seed=seeds, n=sizes, threshold=thresholds)
def test_pairs_above_are_those_of_the_plain_product(seed: int, n: int, threshold: float) -> None:
    vectors = random_vectors(seed, n)
    close = vectors @ vectors.T >= threshold - TOLERANCE
    found = [pair for i, j in pairs_above(vectors, threshold) for pair in zip(i.tolist(), j.tolist(), strict=True)]
    assert sorted(found) == [(i, j) for i in range(n) for j in range(i + 1, n) if close[i, j]]


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_clusters_are_the_connected_components(case: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = case
    ends = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    labels = clusters(n, [(part[:, 0], part[:, 1]) for part in np.array_split(ends, 3)])
    reach = np.eye(n, dtype=bool)
    for i, j in pairs:
        reach[i, j] = reach[j, i] = True
    for middle in range(n):
        reach |= np.outer(reach[:, middle], reach[middle])
    assert labels.tolist() == reach.argmax(axis=1).tolist(), "the smallest item that can be reached"


def test_a_chain_in_any_order_is_one_cluster() -> None:
    order = np.random.default_rng(0).permutation(50_000)
    assert not clusters(len(order), [(order[:-1], order[1:])]).any()


def cosine(columns: Sequence[Vectors], i: int, j: int) -> float:
    return min(float(c[i] @ c[j]) for c in columns)


@settings(deadline=None)
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
    angles = np.arange(1000) * np.arccos(0.93)
    chain = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    verdicts = greedy_cover([chain], 0.92, [None] * 1000)
    assert all(v is None or float(chain[i] @ chain[v.of]) >= 0.92 - TOLERANCE for i, v in enumerate(verdicts))
    assert 0 < sum(v is not None for v in verdicts) < 1000


def test_rows_that_are_held_apart_are_never_compared() -> None:
    same = np.ones((3, 2), dtype=np.float32) / np.float32(np.sqrt(2))
    assert [v and v.of for v in greedy_cover([same], 0.9, ["f", "f", None])] == [None, None, 0]


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one_row_are_kept(n: int) -> None:
    assert greedy_cover([np.ones((n, 2), dtype=np.float32)], 0.9, [None] * n) == [None] * n
