"""Subsets come up by their shares; a harmful query makes priority scenarios only."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from handmade import query
from metaalign_data.records import SUBSETS
from metaalign_data.stages.sampling.slots import allotted, drawn_slots

EVEN = dict.fromkeys(SUBSETS, 0.25)


@given(
    shares=st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(any),
    whole=st.booleans(),
    n=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_each_subset_comes_up_its_share_of_times_but_for_rounding(
    shares: list[int], whole: bool, n: int, seed: int
) -> None:
    total = 1 if whole else sum(shares)
    weights = {subset: share / total for subset, share in zip(SUBSETS, shares, strict=True)}
    drawn = Counter(allotted(weights, n, Random(seed)))
    assert drawn.total() == n
    for subset, share in zip(SUBSETS, shares, strict=True):
        assert abs(drawn[subset] - share / sum(shares) * n) < 1 + 1e-6
        assert share > 0 or drawn[subset] == 0


def test_slots_of_one_query_are_told_apart_by_their_numbers() -> None:
    slots = drawn_slots(query(), EVEN, 12, Random(0))
    assert Counter(slot.subset for slot in slots) == dict.fromkeys(SUBSETS, 3)
    assert len({slot.ordinal for slot in slots}) == 12


def test_a_harmful_query_makes_priority_scenarios_only() -> None:
    harmful = query().model_copy(update={"harmful": True})
    assert {slot.subset for slot in drawn_slots(harmful, EVEN, 5, Random(0))} == {"priority"}
