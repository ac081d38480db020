"""Accuracy against people, with an interval, and the settings that follow from it."""

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.records import Comparison, Vote
from metaalign_data.report.calibration import Outcome, calibration, suggested
from metaalign_data.report.shares import wilson

Winner = Literal["a", "b", "tie"]
NAMES: dict[str, Winner] = {"a": "a", "b": "b", "t": "tie"}


def outcome(label: Literal["a", "b"], said: str, margin: float = 4.0, chars: tuple[int, int] = (10, 10)) -> Outcome:
    """`said` are the votes; `margin` is the mean lead of the response that most of them name."""
    ahead = said.count("a") >= said.count("b")
    scores = (5.0 + margin, 5.0) if ahead else (5.0, 5.0 + margin)
    votes = tuple(
        Vote(winner=NAMES[v], score_a=scores[0], score_b=scores[1], swapped=bool(k % 2), reason="r", model="j")
        for k, v in enumerate(said)
    )
    return Outcome(label, Comparison(side=0, a=0, b=1, votes=votes, winner="tie"), chars)


def test_what_is_named_is_right_where_people_say_the_same() -> None:
    right, wrong, tied = outcome("b", "bbba"), outcome("b", "aaab"), outcome("a", "aabb")
    assert (right.named, right.right, right.agreement, right.margin) == ("b", True, 0.75, 4.0)
    assert (wrong.named, wrong.right) == ("a", False)
    assert (tied.named, tied.right) == (None, False)


@pytest.mark.parametrize(
    ("said", "margin", "min_agreement", "min_margin", "passes"),
    [
        ("aaab", 4.0, 0.75, 4.0, True),
        ("bbba", 4.0, 0.75, 4.0, True),
        ("aaab", 4.0, 0.76, 0.0, False),
        ("aaab", 4.0, 0.75, 4.1, False),
        ("aaab", -1.0, 0.75, 0.0, False),  # the votes say a, the scores b
        ("aabb", 4.0, 0.51, 0.0, False),
        ("aatt", 4.0, 0.5, 0.0, False),
    ],
)
def test_a_pair_passes_as_it_would_in_a_run(
    said: str, margin: float, min_agreement: float, min_margin: float, passes: bool
) -> None:
    assert outcome("a", said, margin).passes(min_agreement, min_margin) == passes


def test_the_interval_is_that_of_the_textbook() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    for right, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611),
                                (1, 29, 0.0061, 0.1718)):  # fmt: skip
        assert wilson(right, n) == pytest.approx((low, high), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_is_mirrored_by_its_complement(counts: tuple[int, int]) -> None:
    right, n = counts
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1
    assert wilson(n - right, n) == pytest.approx((1 - high, 1 - low))


def test_accuracy_is_over_what_the_settings_keep_and_yield_over_all() -> None:
    rows = [
        outcome("a", "aaaa"),
        outcome("b", "bbbb"),
        outcome("a", "bbbb"),
        outcome("a", "aaab"),
        outcome("a", "aabb"),
    ]
    found = calibration(rows, min_agreement=1.0, min_margin=1.0, target=0.95)
    at = found["at_settings"]
    assert (at["rows"], at["right"], at["accuracy"], at["yield"]) == (3, 2, pytest.approx(2 / 3), 0.6)
    assert (at["low"], at["high"]) == wilson(2, 3)
    assert [(each["agreement"], each["rows"], each["right"]) for each in found["by_agreement"]] == [
        (1.0, 3, 2),
        (0.75, 1, 1),
    ]
    assert (found["single_votes"]["rows"], found["single_votes"]["right"]) == (20, 4 + 4 + 0 + 3 + 2)
    assert found["judging"]["comparisons"] == 5


def test_margins_are_told_in_bins() -> None:
    rows = [outcome("a", "aa", m) for m in (-1.0, 0.5, 1.0, 3.9, 9.0)] + [
        outcome("b", "aa", 1.5),
        outcome("a", "ab", 9),
    ]
    found = calibration(rows, min_agreement=1.0, min_margin=0.0, target=0.9)["by_margin"]
    assert [(each["above"], each["rows"], each["right"]) for each in found] == [
        (None, 1, 1),
        (0.0, 1, 1),
        (1.0, 2, 1),
        (2.0, 1, 1),
        (6.0, 1, 1),
    ]


def test_the_least_strict_settings_that_reach_the_target_are_suggested() -> None:
    sure = [outcome("a", "aaaa", 6.0)] * 10
    likely = [outcome("a", "aaab", 3.0)] * 9 + [outcome("b", "aaab", 1.0)]
    best = suggested([*sure, *likely], 1.0)
    assert best is not None
    assert (best["min_agreement"], best["min_margin"], best["rows"]) == (0.75, 1.5, 19)
    loose = suggested([*sure, *likely], 0.9)
    assert loose is not None
    assert (loose["min_agreement"], loose["min_margin"], loose["yield"]) == (0.75, 0.0, 1.0)
    strict = suggested([*sure, *[outcome("b", "aaab", 6.0)] * 5], 0.95)
    assert strict is not None
    assert (strict["min_agreement"], strict["rows"]) == (1.0, 10)
    assert suggested([outcome("b", "aaaa", 9.0)] * 3, 0.5) is None
    assert suggested([], 0.5) is None


def test_suggested_settings_keep_what_they_were_counted_on() -> None:
    rows = [outcome("a", "aat", 6.0)] * 3
    best = suggested(rows, 0.9)
    assert best is not None
    assert best["min_agreement"] == 0.666
    assert all(each.passes(best["min_agreement"], best["min_margin"]) for each in rows)


def test_length_bias_is_what_the_judge_adds_to_the_preference_of_people() -> None:
    def bias(said: str, label: Literal["a", "b"], chars: tuple[int, int]) -> float | None:
        value: float | None = calibration(
            [outcome(label, said, chars=chars)], min_agreement=1, min_margin=0, target=0.9
        )["length_bias"]
        return value

    assert bias("aa", "a", (90, 10)) == 0
    assert bias("aa", "b", (90, 10)) == 1
    assert bias("aa", "b", (10, 90)) == -1
    assert bias("aabb", "b", (90, 10)) == 0.5
    assert bias("aa", "a", (10, 10)) is None
    assert bias("tt", "a", (10, 90)) is None


def test_figures_of_no_pair_are_unknown() -> None:
    found = calibration([], min_agreement=1, min_margin=0, target=0.9)
    assert (found["rows"], found["suggested"], found["length_bias"], found["by_margin"]) == (0, None, None, [])
    assert found["at_settings"]["accuracy"] is None
    assert not math.isnan(found["at_settings"]["low"])
