"""A run with a target goes on until it has its pairs, asks for no more than that takes, and cuts to the shares."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data import run
from metaalign_data.engine.feed import Feed
from metaalign_data.engine.target import CutToTarget, Target, filled, with_cut
from metaalign_data.errors import RecipeError
from metaalign_data.prompting import Library
from metaalign_data.queries import BadRow
from metaalign_data.recipe import Recipe
from metaalign_data.records import SUBSETS, PreferencePair, Query, Subset
from metaalign_data.stage import Context
from metaalign_data.testing import context

BAD = BadRow(reason="empty_text", detail="", where="q.jsonl:3", raw="{}")


def recipe(**fields: Any) -> Recipe:
    base = {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled"}}
    return Recipe.from_dict(base | fields)


def target(pairs: int, cap: int | None = None, n: int = 7, harmful: int = 0, **fields: Any) -> Target:
    rows = [Query(key=str(i), text=f"question {i}", source="t", harmful=i < harmful) for i in range(n)]
    return Target(Feed(recipe(**fields), Library()), lambda: [*rows, BAD], pairs, cap)


def played(of: Target, yields: Mapping[str, float]) -> Iterator[Counter[Subset]]:
    """What each round asks for, where this many pairs come of a candidate."""
    accepted: dict[Subset, int] = {}
    while (rows := of.next_round(accepted)) is not None:
        asked = Counter(slot.subset for row in rows if isinstance(row, Query) for slot in row.slots)
        accepted = {s: int(of.feed.given[s] * yields[s]) for s in of.feed.given}
        yield asked


class KeepAll:
    async def process(self, row: PreferencePair, ctx: Context) -> Sequence[PreferencePair]:
        return [row]


@given(st.integers(1, 3000), st.lists(st.floats(0.2, 2.0), min_size=4, max_size=4), st.integers(1, 9))
def test_every_subset_gets_its_quota_in_a_few_rounds_and_hardly_more_is_asked_for_than_that_takes(
    pairs: int, yields: list[float], per_query: int
) -> None:
    of = target(pairs, cap=100_000, preferences={"per_query": per_query})
    rounds = list(played(of, rates := dict(zip(SUBSETS, yields, strict=True))))
    assert of.missing == {}
    assert len(rounds) == of.rounds <= 6
    for subset, quota in of.quotas.items():
        assert of.feed.given[subset] <= 1.1 * quota / rates[subset] + 40


def test_the_cap_on_candidates_holds() -> None:
    of = target(1000, cap=300)
    asked = sum((each.total() for each in played(of, dict.fromkeys(SUBSETS, 0.1))), 0)
    assert asked == of.candidates <= 300
    assert sum(of.missing.values()) > 900


def test_a_subset_that_gives_nothing_is_given_up() -> None:
    of = target(400)
    list(played(of, {"priority": 1.0, "helpful": 1.0, "consensus": 0.0, "diverse_opinion": 1.0}))
    assert of.missing == {"consensus": 100}
    assert of.feed.given["consensus"] == 100


def test_rows_that_are_no_queries_come_once_however_often_the_queries_do() -> None:
    of = target(500)
    rows = list(of.next_round({}) or ())
    rows += of.next_round(dict.fromkeys(SUBSETS, 1)) or ()
    assert sum(isinstance(row, BadRow) for row in rows) == 1
    assert len(rows) > 3 * 8


def test_harmful_queries_are_asked_for_priority_alone_and_never_for_ever() -> None:
    of = target(40, n=3, harmful=3)
    list(played(of, dict.fromkeys(SUBSETS, 1.0)))
    assert set(of.missing) == set(SUBSETS) - {"priority"}


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 4), max_size=30), st.integers(0, 40))
def test_a_cut_keeps_the_quota_or_the_least_more_or_all_there_is(sizes: dict[str, int], quota: int) -> None:
    taken = filled(sizes, quota, seed=0)
    kept = sum(sizes[group] for group in taken)
    assert kept >= min(quota, sum(sizes.values()))
    assert kept <= quota + max(sizes.values(), default=0)


@pytest.mark.parametrize("odd", [1, 3, 5])
def test_a_cut_fits_exactly_where_groups_of_several_sizes_allow_it(odd: int) -> None:
    for seed in range(20):
        sizes = {"a": odd, **{str(i): 2 for i in range(30)}}
        for quota in range(2, 60, 7):
            found = sum(sizes[group] for group in filled(sizes, quota, seed))
            assert found == quota or (quota % 2 and quota < odd and found == quota + 1)


def test_the_cut_takes_flips_and_twins_as_a_whole_other_rows_by_themselves_and_says_why_the_rest_went() -> None:
    rows = pl.DataFrame(
        {
            "id": list("123456789xyz"),
            "subset": ["helpful"] * 6 + ["priority"] * 6,
            "judgement_id": ["a", "a", "b", "b", "c", "c", "d", "d", "d", "d", "e", "e"],
            "flip_id": ["a", "a", "b", "b", "c", "c", "d", "d", None, None, None, None],
            "twin_id": [None] * 8 + ["t", "t", None, None],
        }
    )
    cut = CutToTarget({"helpful": 4, "priority": 5}).transform(rows.lazy(), context()).collect()
    kept = cut.filter(pl.col("reject_reason").is_null())
    assert Counter(kept["subset"]) == {"helpful": 4, "priority": 5}
    of = Counter(kept["judgement_id"])
    assert {of[judgement] for judgement in "abc"} == {0, 2}
    assert (of["d"], of["e"]) == (4, 1)
    assert set(cut["reject_reason"].drop_nulls()) == {"beyond_target"}


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (["pair", "dedup", "split"], ["pair", "dedup", "target", "split"]),
        (["pair", "dedup"], ["pair", "dedup", "target"]),
        (["pair"], ["pair", "target"]),
    ],
)
def test_the_cut_stands_after_what_drops_rows_and_before_the_split(stages: list[str], expected: list[str]) -> None:
    made = recipe(stages=["sample_preferences", "generate_responses", "judge", *stages])
    assert [spec.name for spec in with_cut(made.stage_specs, {})][3:] == expected


def test_a_target_behind_a_table_stage_is_refused_when_the_recipe_is_read() -> None:
    pairs = ["sample_preferences", "generate_responses", "judge", "pair", "dedup"]
    with pytest.raises(RecipeError, match=r"dataset.target: needs stages that make pairs from queries"):
        recipe(stages=[*pairs, KeepAll()], dataset={"target": 10})


def test_a_run_makes_exactly_its_target_in_the_shares_of_the_recipe_and_the_same_when_it_is_run_again(
    tmp_path: Path,
) -> None:
    shares = {"priority": 0.4, "helpful": 0.3, "consensus": 0.1, "diverse_opinion": 0.2}
    small = recipe(subsets=shares, queries={"source": "bundled", "limit": 8}, dataset={"target": 200})
    first = run(small, out=tmp_path / "run")
    assert first.state == "done", first.verdict
    rows = first.pairs()
    assert rows.height == 200
    assert Counter(rows["subset"]) == {s: round(200 * share) for s, share in shares.items()}
    target = first.manifest["target"]
    assert (target["pairs"], target["missing"]) == (200, {})
    assert target["candidates"] < 400
    again = run(small, out=tmp_path / "run")
    assert again.manifest["this_time"]["asked"] == 0
    assert again.pairs().equals(rows)


def test_a_run_that_falls_short_says_by_how_much_and_keeps_what_it_has(tmp_path: Path) -> None:
    short = recipe(queries={"source": "bundled", "limit": 4}, dataset={"target": 500, "max_candidates": 40})
    result = run(short, out=tmp_path / "run")
    assert result.state == "done"
    assert "short of the target of 500" in result.verdict
    assert 0 < result.pairs().height < 200
