"""What is made of each query: subsets by their shares, running numbers, and what the sampler draws."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.engine.feed import Feed, quotas
from metaalign_data.prompting import Library
from metaalign_data.queries import BadRow
from metaalign_data.recipe import Recipe
from metaalign_data.records import SUBSETS, Query

SHARES = dict.fromkeys(SUBSETS, 0.25)
BAKING, CODING = "How do I bake bread in my kitchen?", "Why does my python script have a bug?"


def recipe(**fields: Any) -> Recipe:
    return Recipe.from_dict(
        {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled"}} | fields
    )


def query(n: int, text: str = BAKING, **fields: Any) -> Query:
    return Query(key=str(n), text=text, source="test", **fields)


def fed(rows: list[Query], **fields: Any) -> list[Query]:
    return [row for row in Feed(recipe(**fields), Library()).pass_over(rows) if isinstance(row, Query)]


def test_each_query_gets_its_kind_and_as_many_slots_as_the_recipe_says() -> None:
    home, technical = fed([query(0), query(1, CODING)], preferences={"per_query": 8})
    assert (home.kind, technical.kind) == ("home", "technical")
    for row in (home, technical):
        assert Counter(slot.subset for slot in row.slots) == dict.fromkeys(SUBSETS, 2)


def test_scenarios_drawn_from_the_taxonomy_are_numbered_among_the_queries_of_one_kind() -> None:
    rows = fed([query(i, (BAKING, CODING)[i % 2]) for i in range(20)], preferences={"per_query": 5})
    for kind in ("home", "technical"):
        for subset in ("helpful", "priority"):
            numbers = [s.ordinal for row in rows if row.kind == kind for s in row.slots if s.subset == subset]
            assert numbers == list(range(len(numbers))) != []


def test_what_draws_from_the_taxonomy_has_its_cell_and_the_rest_has_none() -> None:
    for row in fed([query(i, harmful=i % 3 == 0) for i in range(12)], preferences={"per_query": 4}):
        for slot in row.slots:
            assert (slot.cell is not None) == (slot.subset in ("priority", "helpful") and not row.harmful)


def test_questions_of_value_and_opinion_are_numbered_for_each_query() -> None:
    for row in fed([query(i) for i in range(6)], subsets={"consensus": 0.5, "diverse_opinion": 0.5}):
        numbers = Counter((slot.subset, slot.ordinal) for slot in row.slots)
        assert all(numbers[slot.subset, 0] == 1 for slot in row.slots)
        assert set(numbers.values()) == {1}


def test_further_queries_change_nothing_for_those_before() -> None:
    few, many = ([query(i) for i in range(n)] for n in (5, 50))
    assert fed(many)[:5] == fed(few)


def test_a_harmful_query_makes_priority_scenarios_only() -> None:
    (row,) = fed([query(0, harmful=True)])
    assert {slot.subset for slot in row.slots} == {"priority"}


def test_what_is_no_query_passes_as_it_is() -> None:
    bad = BadRow(reason="empty_text", detail="", where="q.jsonl:3", raw="{}")
    assert list(Feed(recipe(), Library()).pass_over([bad])) == [bad]


@given(st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any), st.integers(1, 10_000))
def test_quotas_sum_to_the_target_and_keep_the_shares_but_for_rounding(shares: list[int], target: int) -> None:
    of = {subset: share / sum(shares) for subset, share in zip(SUBSETS, shares, strict=True)}
    found = quotas(of, target)
    assert sum(found.values()) == target
    for subset, quota in found.items():
        assert abs(quota - of[subset] * target) < 1 + 1e-6
        assert of[subset] > 0


@pytest.mark.parametrize(("target", "expected"), [(10, [3, 3, 2, 2]), (4, [1, 1, 1, 1]), (1, [1, 0, 0, 0])])
def test_the_remainder_goes_to_the_first_of_equals(target: int, expected: list[int]) -> None:
    assert list(quotas(SHARES, target).values()) == expected
