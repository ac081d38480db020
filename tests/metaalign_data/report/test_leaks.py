import importlib.util
from random import Random

import polars as pl
import pytest

from metaalign_data.errors import MissingExtra
from metaalign_data.records import PreferencePair, digest
from metaalign_data.report import leaks
from metaalign_data.report.leaks import leak_checks, longer_is_chosen, refusal_shares, refuses
from metaalign_data.report.shares import Check
from rows import flip, pair
from runs import frame

WORDS = "sky rain bread river stone light garden winter music paper road engine apple cloud table window".split()  # noqa: SIM905


def text(rng: Random, words: int = 20) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def clean(n: int = 120) -> list[PreferencePair]:
    """Rows outside flips whose responses tell nothing."""
    rng = Random(1)
    return [pair(query=f"q{i}", chosen=text(rng), rejected=text(rng)) for i in range(n)]


def by_name(pairs: pl.DataFrame, scope: str = "all rows") -> dict[str, Check]:
    return {check.name: check for check in leak_checks(pairs) if check.scope == scope}


def test_responses_that_tell_nothing_pass_every_check() -> None:
    found = by_name(frame(clean(400)))
    assert set(found) == {"the longer one is chosen", "response alone", "length alone", "refusal alone"}
    assert {name: check.status for name, check in found.items() if check.status == "look at this"} == {}


@pytest.mark.parametrize(
    ("caught_by", "leak"),
    [
        ("response alone", lambda rng: (f"{text(rng, 10)} indeed {text(rng, 9)}", text(rng))),
        ("length alone", lambda rng: (text(rng, rng.randint(25, 40)), text(rng, rng.randint(10, 25)))),
        ("the longer one is chosen", lambda rng: (text(rng, 21), text(rng, 17))),
        (
            "refusal alone",
            lambda rng: (text(rng), "I'm sorry, but no. " + text(rng, 18) if rng.random() < 0.5 else text(rng)),
        ),
    ],
)
def test_a_planted_leak_is_caught(caught_by: str, leak) -> None:
    rng = Random(2)
    rows = [
        pair(query=f"q{i}", chosen=chosen, rejected=rejected)
        for i, (chosen, rejected) in enumerate(leak(rng) for _ in range(150))
    ]
    assert by_name(frame(rows))[caught_by].status == "look at this"


def test_a_slight_lead_in_length_is_caught_though_lengths_differ_more_from_query_to_query() -> None:
    rng = Random(7)
    lengths = [rng.randint(10, 100) for _ in range(200)]
    rows = [pair(query=f"q{i}", chosen=text(rng, n + 4), rejected=text(rng, n)) for i, n in enumerate(lengths)]
    assert by_name(frame(rows))["length alone"].share.value > 0.9


def test_whole_flips_leave_nothing_to_tell_whatever_the_responses_are() -> None:
    rng = Random(3)
    rows = [row for i in range(60) for row in flip(f"indeed {text(rng, 40)}", text(rng, 5), f"f{i}", query=f"q{i}")]
    assert {check.share.value for check in by_name(frame(rows)).values()} == {0.5}


def test_rows_outside_flips_are_measured_on_their_own_beside_the_flips_that_hide_them() -> None:
    rng = Random(4)
    hidden = [pair(query=f"n{i}", chosen="indeed " + text(rng), rejected=text(rng)) for i in range(60)]
    flips = [row for i in range(300) for row in flip(text(rng), text(rng), f"f{i}", query=f"q{i}")]
    found = frame([*flips, *hidden])
    assert by_name(found)["response alone"].status == "ok"
    assert by_name(found, "rows outside flips")["response alone"].status == "look at this"


def test_what_is_learned_of_a_query_is_not_used_on_that_query() -> None:
    """Each query has a word of its own in all its chosen responses: to tell them takes having seen that query."""
    rng = Random(5)
    rows = [
        pair(
            query=f"q{q}",
            user_info=f"{q} {i}",
            chosen=f"{digest('chosen', str(q))} " * 9 + text(rng),
            rejected=f"{digest('rejected', str(q))} " * 9 + text(rng),
        )
        for q in range(40)
        for i in range(6)
    ]
    apart = [row.model_copy(update={"query_id": f"{i}"}) for i, row in enumerate(rows)]
    assert by_name(frame(rows))["response alone"].share.value < 0.6
    assert by_name(frame(apart))["response alone"].share.value > 0.8


def test_too_few_groups_are_only_counted() -> None:
    assert [check.name for check in leak_checks(frame(clean(9)))] == ["the longer one is chosen"]


def test_of_many_rows_whole_groups_are_drawn_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "MAX_ROWS", 50)
    rng = Random(6)
    rows = [row for i in range(60) for row in flip(text(rng), text(rng), f"f{i}", query=f"q{i}")]
    taken, again = leaks._capped(frame(rows)), leaks._capped(frame(rows[::-1]))
    assert taken.height == 50
    assert set(taken["id"]) == set(again["id"])
    assert taken["flip_id"].value_counts()["count"].unique().to_list() == [2]


def test_equal_lengths_count_as_half() -> None:
    rows = [pair(query="a", chosen="long", rejected="s"), pair(query="b", chosen="same", rejected="wide")]
    assert longer_is_chosen(frame(rows), "all rows").share.value == 0.75


@pytest.mark.parametrize(
    ("answer", "declined"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m sorry, I won’t write this.", True),
        ("I cannot give instructions for that; here is a safe alternative.", True),
        ("As an AI, I have no opinion.", True),
        ("We cannot provide this.", True),
        ("Sorry to hear that! Start with a glass of water.", False),
        ("You can't bake bread without heat.", False),
        ("A long answer. " * 20 + "I can't say more.", False),
        ("", False),
    ],
)
def test_a_refusal_is_told_by_how_an_answer_opens(answer: str, declined: bool) -> None:
    assert refuses(answer) == declined


def test_refusals_are_counted_among_chosen_and_rejected() -> None:
    rows = [
        pair(query="a", chosen="I can't help with that."),
        pair(query="b", rejected="I won't."),
        pair(query="c", rejected="I won't."),
    ]
    assert refusal_shares(frame(rows)) == {"chosen": 1 / 3, "rejected": 2 / 3}


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "find_spec", lambda name: None if name == "sklearn" else importlib.util.find_spec(name))
    with pytest.raises(MissingExtra, match=r"metaalign-data\[report\]"):
        leak_checks(frame(clean()))
