"""The share of requests that are different, against draws from a real pool."""

from math import inf
from random import Random

import pytest

from metaalign_data.engine.repeats import different_share, pool_size


@pytest.mark.parametrize(
    ("pool", "drawn", "times"), [(50, 40, 10.0), (200, 100, 5.0), (1000, 400, 3.0), (10, 40, 20.0)]
)
def test_the_share_of_a_whole_run_lies_within_what_a_sample_tells(pool: int, drawn: int, times: float) -> None:
    rng = Random(0)
    within = 0
    for _ in range(100):
        draws = [rng.randrange(pool) for _ in range(round(drawn * times))]
        low, expected, high = different_share(drawn, len(set(draws[:drawn])), times)
        assert low <= expected <= high
        within += low <= len(set(draws)) / len(draws) <= high
    assert within >= 90


def test_no_repeat_expects_none_and_allows_for_a_few() -> None:
    low, expected, high = different_share(100, 100, 10.0)
    assert 0.5 < low < 1.0
    assert (expected, high) == (1.0, 1.0)


def test_a_sample_that_is_the_run_has_the_share_that_it_has() -> None:
    assert different_share(40, 30, 1.0)[1] == pytest.approx(0.75, abs=1e-6)


def test_a_pool_without_repeats_has_no_end() -> None:
    assert pool_size(10, 10) == inf
    assert pool_size(100, 63.21) == pytest.approx(100, rel=0.01)
