import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from metaalign_data.report.shares import Check, Share, clustered, counted


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_the_one_of_wilson(counts: tuple[int, int]) -> None:
    hits, n = counts
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    share = counted(hits, n)
    assert share == Share(hits / n, pytest.approx(expected.low), pytest.approx(expected.high), n)


def test_cases_that_go_together_make_the_interval_wider_not_the_share() -> None:
    hit = np.repeat([1.0, 0.0, 1.0, 0.0], 100)
    alone, together = clustered(hit, np.arange(400)), clustered(hit, np.repeat([0, 1, 2, 3], 100))
    assert alone.value == together.value == 0.5
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * 0.5 / 20, rel=0.01)
    assert together.high - together.low > 0.9


def test_groups_that_are_half_right_leave_no_doubt() -> None:
    share = clustered(np.tile([1.0, 0.0], 50), np.repeat(np.arange(50), 2))
    assert (share.low, share.value, share.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("share", "status"),
    [
        (Share(0.60, 0.58, 0.62, 100), "ok"),
        (Share(0.40, 0.38, 0.42, 100), "ok"),
        (Share(0.61, 0.59, 0.63, 100), "too few to tell"),
        (Share(0.39, 0.37, 0.41, 100), "too few to tell"),
        (Share(0.65, 0.61, 0.69, 100), "look at this"),
        (Share(0.30, 0.25, 0.35, 100), "look at this"),
    ],
)
def test_a_share_outside_its_bar_is_looked_at_unless_the_rows_are_too_few(share: Share, status: str) -> None:
    assert Check("length", "all rows", share, 0.4, 0.6, "").status == status


def test_a_check_says_everything_in_one_flat_object() -> None:
    check = Check("length", "all rows", Share(0.7, 0.6, 0.8, 10), 0.0, 0.5, "why")
    assert check.as_dict() == {
        "name": "length",
        "scope": "all rows",
        "value": 0.7,
        "low": 0.6,
        "high": 0.8,
        "n": 10,
        "at_least": 0.0,
        "at_most": 0.5,
        "meaning": "why",
        "status": "look at this",
    }
