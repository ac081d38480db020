"""Figures on judges, against votes whose figures are known by hand or by the faults that were ordered."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from handmade import responses, side
from metaalign_data.engine.folder import Parts
from metaalign_data.records import Comparison, Judgement, ResponseSet, Vote, lines_to_frame, schema, to_line
from metaalign_data.report.judging import cohens_kappa, figures, judging_figures, read_votes, votes_of
from metaalign_data.stages.judge import Judge, decided
from metaalign_data.teacher.simulated import Faults, SimulatedTeacher
from metaalign_data.testing import context

Winner = Literal["a", "b", "tie"]
NAMES: dict[str, Winner] = {"a": "a", "b": "b", "t": "tie"}


def cast(said: str, judge: int = 0) -> list[Vote]:
    """Votes of one judge: "ab" is a vote for a with a shown first, then one for b with b shown first; and so on."""
    return [
        Vote(
            winner=NAMES[name],
            score_a=5,
            score_b=5,
            swapped=bool(k % 2),
            reason="r",
            model=f"model {judge}",
            judge=judge,
        )
        for k, name in enumerate(said)
    ]


def compared(*said: str, wish: int = 0, a: int = 0, b: int = 1) -> Comparison:
    """One comparison; the votes of each judge in turn."""
    votes = [vote for judge, names in enumerate(said) for vote in cast(names, judge)]
    return Comparison(side=wish, a=a, b=b, votes=tuple(votes), winner=decided(votes, 0.6))


def of(*comparisons: Comparison, chars: tuple[int, int] = (10, 10)) -> dict[str, Any]:
    """Figures of these comparisons, each of another row."""
    return figures(votes_of((str(i), each, chars) for i, each in enumerate(comparisons)))


def test_agreement_is_the_mean_over_what_was_decided() -> None:
    found = of(compared("aaaa"), compared("aaab"), compared("aabb"))
    assert found["agreement"] == pytest.approx((1 + 0.75) / 2)
    assert found["decided"] == pytest.approx(2 / 3)
    assert (found["comparisons"], found["votes"]) == (3, 12)
    assert found["all"]["tied"] == 0


def test_swap_consistency_is_the_share_of_order_pairs_that_say_the_same() -> None:
    assert of(compared("aa"), compared("bb"), compared("tt"), compared("ab"))["all"]["swap_consistency"] == 0.75
    # two votes in each order: a, b against a, t gives aa, at, ba, bt
    assert of(compared("aabt"))["all"]["swap_consistency"] == 0.25


def test_what_is_named_in_both_places_is_told_by_the_place() -> None:
    found = of(compared("ab"), compared("ab"), compared("ba"), compared("aa"))["all"]
    assert (found["first_in_both"], found["second_in_both"]) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("said", "bias"), [("ab", 0.5), ("ba", -0.5), ("aa", 0.0), ("bb", 0.0), ("aaab", 0.25), ("att", 0.5)]
)
def test_position_bias_is_the_share_for_the_first_shown_less_a_half(said: str, bias: float) -> None:
    assert of(compared(said))["all"]["position_bias"] == pytest.approx(bias)


def length_bias(first: str, second: str, chars: tuple[int, int]) -> float | None:
    """`first` are the votes under wish 0, `second` under wish 1, where a is the other response."""
    mirrored = chars[1], chars[0]
    votes = votes_of([("r", compared(first), chars), ("r", compared(second, wish=1, a=1, b=0), mirrored)])
    bias: float | None = figures(votes)["all"]["length_bias"]
    return bias


def test_who_follows_the_wish_has_no_length_bias_though_the_longer_one_wins_under_one_of_them() -> None:
    assert length_bias("aa", "aa", (10, 90)) == 0
    assert length_bias("aa", "aaaaaa", (10, 90)) == 0


@pytest.mark.parametrize("chars", [(10, 90), (90, 10)])
def test_who_names_the_longer_one_under_both_wishes_has_length_bias(chars: tuple[int, int]) -> None:
    longer = ("bb", "aa") if chars[0] < chars[1] else ("aa", "bb")
    assert length_bias(*longer, chars) == 0.5
    assert length_bias(*longer[::-1], chars) == -0.5


def test_both_wishes_count_the_same_however_many_votes_they_have() -> None:
    # wish 0: a quarter for the longer one, b; wish 1: all for the longer one, a
    assert length_bias("aaab", "aa", (10, 90)) == pytest.approx((0.25 + 1) / 2 - 0.5)
    twin = compared("bb", wish=2)
    first, second = compared("aa"), compared("aa", wish=1, a=1, b=0)
    votes = votes_of([("r", first, (10, 90)), ("r", twin, (10, 90)), ("r", second, (90, 10))])
    assert figures(votes)["all"]["length_bias"] == pytest.approx((0.5 + 1) / 2 - 0.5)


def test_length_bias_is_unknown_without_both_wishes_or_with_equal_lengths() -> None:
    assert of(compared("aa"), compared("aa", wish=1), chars=(10, 90))["all"]["length_bias"] is None
    assert length_bias("aa", "tt", (10, 90)) is None
    assert length_bias("aa", "aa", (10, 10)) is None


def test_figures_of_nothing_are_unknown() -> None:
    found = figures(votes_of([]))
    assert (found["comparisons"], found["votes"], found["judges"], found["kappa_judges"]) == (0, 0, [], [])
    assert {found["decided"], found["agreement"], *found["all"].values()} == {None, 0}


def test_each_judge_has_figures_of_its_own() -> None:
    found = of(compared("ab", "aa"), compared("ab", "bb"))
    assert [(each["judge"], each["model"], each["votes"], each["position_bias"]) for each in found["judges"]] == [
        (0, "model 0", 4, 0.5),
        (1, "model 1", 4, 0.0),
    ]
    assert found["all"]["position_bias"] == 0.25


def test_kappa_between_judges_is_twice_the_agreement_less_one() -> None:
    found = of(*[compared("aa", "aa")] * 8, *[compared("aa", "bb")] * 2, compared("tt", "aa"), compared("ab", "aa"))
    assert found["kappa_judges"] == [
        {"judges": [0, 1], "comparisons": 10, "agreement": 0.8, "kappa": pytest.approx(0.6)}
    ]
    three = of(compared("aa", "aa", "bb"))["kappa_judges"]
    assert [(each["judges"], each["kappa"]) for each in three] == [([0, 1], 1.0), ([0, 2], -1.0), ([1, 2], -1.0)]


def test_kappa_between_the_orders_falls_with_position_bias() -> None:
    assert of(compared("aa"), compared("bb"))["all"]["kappa_orders"] == 1
    assert of(compared("ab"), compared("aa"))["all"]["kappa_orders"] == 0
    assert of(compared("ab"))["all"]["kappa_orders"] == -1
    assert of(compared("at"))["all"]["kappa_orders"] is None


def test_kappa_is_that_of_the_textbook() -> None:
    # Cohen's own form: 20 and 15 agreed, 5 and 10 not; p_o = 0.7, p_e = 0.5
    assert cohens_kappa({("a", "a"): 20, ("a", "b"): 5, ("b", "a"): 10, ("b", "b"): 15}) == pytest.approx(0.4)
    assert cohens_kappa({("a", "a"): 3}) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab")), min_size=1))
def test_kappa_is_that_of_scikit_learn(said: Sequence[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    one, two = zip(*said, strict=True)
    if len({*one, *two}) > 1:
        counts = {cell: said.count(cell) for cell in set(said)}
        assert cohens_kappa(counts) == pytest.approx(metrics.cohen_kappa_score(one, two))


def written(folder: Path, judgements: Sequence[Judgement], rows_per_part: int = 100) -> Path:
    frame = partial(lines_to_frame, record=Judgement)
    parts = Parts(folder / "tables" / "judge", schema(Judgement), rows_per_part, frame)
    parts.extend(map(to_line, judgements))
    parts.close()
    return folder


def test_a_table_on_disk_holds_the_votes_of_its_judgements(tmp_path: Path) -> None:
    rows = [
        Judgement(
            responses=responses(("Yes.",), ("No, never.", "Ñ" * i), key=str(i)),
            comparisons=(
                compared("aaba", "ab"),
                compared("abba", "bb", wish=1, a=2, b=0),
                compared("atab", "bt", wish=3, a=2, b=1),
            ),
        )
        for i in range(1, 40)
    ]
    in_memory = votes_of((row.id, each, lengths_of(row.responses, each)) for row in rows for each in row.comparisons)
    assert dict(in_memory.group_by("wish").len().iter_rows()) == {0: 39 * 6, 1: 39 * 12}
    one, many = written(tmp_path / "one", rows), written(tmp_path / "many", rows, rows_per_part=3)
    assert_frame_equal(read_votes(one), in_memory)
    assert_frame_equal(read_votes(many), in_memory)
    assert judging_figures(many) == figures(in_memory)


def test_a_run_that_has_judged_nothing_has_figures_of_nothing(tmp_path: Path) -> None:
    nothing = figures(votes_of([]))
    assert judging_figures(tmp_path) == nothing
    assert judging_figures(written(tmp_path, [])) == nothing


async def simulated(**faults: float) -> dict[str, Any]:
    """Figures of the simulated judge on 150 rows of opposite wishes, one of them for a long answer."""
    teacher = SimulatedTeacher(SimulatedTeacher.Config(faults=Faults(**faults)))
    stage, ctx, found = Judge(Judge.Config(votes=2)), context(judge=teacher), []
    for i in range(150):
        row = row_of(f"q{i}")
        (made,) = await stage.process(row, ctx)
        assert isinstance(made, Judgement)
        found += [(row.id, each, lengths_of(row, each)) for each in made.comparisons]
    return figures(votes_of(found))


def row_of(key: str) -> ResponseSet:
    row = responses(("Yes.",), ("- Air is one.\n- Light is another.\n- Water is the third.",), key=key)
    sides = side(0, "Please write in plain prose, no lists."), side(1, "Use bullet points.")
    asked = {"sides": sides, "question": f"Why is it {key}?"}
    return row.model_copy(update={"scenario": row.scenario.model_copy(update=asked)})


def lengths_of(row: ResponseSet, each: Comparison) -> tuple[int, int]:
    return len(row.responses[each.a].text), len(row.responses[each.b].text)


async def test_a_fault_of_the_judge_shows_in_its_own_figure() -> None:
    calm = (await simulated())["all"]
    assert (calm["position_bias"], calm["length_bias"], calm["swap_consistency"], calm["kappa_orders"]) == (0, 0, 1, 1)
    placed = (await simulated(position_bias=0.4))["all"]
    assert placed["position_bias"] > 0.1
    assert placed["first_in_both"] > 0.2 > placed["second_in_both"]
    assert abs(placed["length_bias"]) < 0.1
    long = (await simulated(length_bias=0.4))["all"]
    assert long["length_bias"] > 0.1
    assert abs(long["position_bias"]) < 0.1
