import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.neighbours import clusters


@settings(deadline=None)
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
