import json
from random import Random

import polars as pl
import pytest

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import BudgetReached, TeacherError
from metaalign_data.prompting import Library
from metaalign_data.records import PreferencePair
from metaalign_data.report.context_free import Guesses, Shown, ask, checks, right, sampled
from metaalign_data.teacher.simulated import Faults, SimulatedTeacher
from metaalign_data.teacher.simulated.asked import read_conversation
from metaalign_data.teacher.structured import Structured
from rows import flip, pair
from runs import frame
from teachers import Telling, answer

LIBRARY = Library()


def flips(n: int) -> list[PreferencePair]:
    return [row for i in range(n) for row in flip(f"first {i}", f"second answer {i}", f"f{i}", query=f"q{i}")]


def singles(n: int) -> list[PreferencePair]:
    return [pair(query=f"s{i}", chosen=f"good {i}", rejected=f"bad {i}") for i in range(n)]


def guessing(rule) -> Telling:
    """A judge who names response a where the rule says so of the two texts."""

    def by(request: ChatRequest) -> Completion:
        shown = read_conversation(request.messages).inputs
        winner = "a" if rule(shown["response_a"], shown["response_b"]) else "b"
        return answer(json.dumps({"reason": "x", "winner": winner}))

    return Telling(by=by)


async def test_the_judge_sees_each_comparison_in_both_orders_and_nothing_of_the_meta_prompt() -> None:
    judge = guessing(lambda a, b: True)
    rows = frame(flip("one", "two", "f", query="Why?", system_info="SECRET RULE"))
    guesses = await ask(rows, judge, LIBRARY)
    assert len(judge.requests) == 2
    told = [message.content for request in judge.requests for message in request.messages]
    assert not any("SECRET" in text or "wants" in text for text in told)
    assert set(guesses.chosen) == {Shown("Why?", "one", "two"), Shown("Why?", "two", "one")}
    assert guesses.first_share == 1.0


@pytest.mark.parametrize(
    ("rule", "of_flips", "of_others"),
    [
        (lambda a, b: a.startswith(("good", "first")), 0.5, 1.0),
        (lambda a, b: b.startswith(("good", "first")), 0.5, 0.0),
        (lambda a, b: True, 0.5, 0.5),
    ],
    ids=["sees the chosen one", "sees the other one", "takes the first"],
)
async def test_only_outside_flips_can_a_guess_be_better_than_chance(rule, of_flips: float, of_others: float) -> None:
    rows = frame([*flips(10), *singles(10)])
    found = checks(rows, await ask(rows, guessing(rule), LIBRARY))
    assert [(check.scope, check.share.value) for check in found] == [
        ("flips", of_flips),
        ("rows outside flips", of_others),
    ]


async def test_broken_flips_count_as_rows_outside_flips_and_show() -> None:
    rows = frame(flips(60)[::2])
    (check,) = checks(rows, await ask(rows, guessing(lambda a, b: a.startswith("first")), LIBRARY))
    assert (check.scope, check.status) == ("rows outside flips", "look at this")


async def test_what_ends_without_an_answer_is_counted_by_its_reason_and_left_out_of_the_share() -> None:
    def by(request: ChatRequest) -> Completion:
        shown = read_conversation(request.messages).inputs
        for word, error in (("3", TeacherError("refused", "no")), ("4", BudgetReached("enough"))):
            if word in shown["query"]:
                raise error
        return answer('{"reason": "x", "winner": "a"}')

    rows = frame(singles(5))
    guesses = await ask(rows, Telling(by=by), LIBRARY)
    assert guesses.missing == {"refused": 2, "the budget is reached": 2}
    share = right(rows, guesses)
    assert share is not None
    assert (share.value, share.n) == (0.5, 3)


def test_of_nothing_there_is_no_share() -> None:
    assert checks(frame(singles(3)), Guesses({}, {})) == []


@pytest.mark.parametrize(
    ("n_flips", "n_singles", "limit", "taken"),
    [
        (20, 20, 10, (5, 5)),
        (2, 20, 10, (2, 8)),
        (20, 3, 10, (7, 3)),
        (3, 4, 100, (3, 4)),
        (20, 0, 10, (10, 0)),
        (9, 9, 1, (0, 1)),
    ],
)
def test_the_sample_is_half_flips_half_others_where_there_are_enough(n_flips, n_singles, limit, taken) -> None:
    rows = sampled(frame([*flips(n_flips), *singles(n_singles)]), limit)
    assert (rows.filter("in_flip").height, rows.filter(~pl.col("in_flip")).height) == (2 * taken[0], taken[1])


def test_the_sample_minds_no_order_and_takes_whole_flips() -> None:
    rows = [*flips(30), *singles(30)]
    shuffled = Random(1).sample(rows, len(rows))
    one, other = (sampled(frame(given), 20) for given in (rows, shuffled))
    assert one["id"].to_list() == other["id"].to_list()
    assert one.filter("in_flip")["flip_id"].value_counts()["count"].unique().to_list() == [2]


async def test_the_simulated_judge_guesses_by_chance_not_by_order_or_length() -> None:
    judge = Structured(SimulatedTeacher(SimulatedTeacher.Config()), LIBRARY, 1)
    rows = frame(
        [
            pair(query=f"q{i}", chosen=f"Bread needs time {i}.", rejected=f"Bread needs time and warmth {i}.")
            for i in range(200)
        ]
    )
    guesses = await ask(rows, judge, LIBRARY)
    assert not guesses.missing
    assert guesses.first_share == 0.5
    (check,) = checks(rows, guesses)
    assert 0.4 < check.share.value < 0.6


async def test_the_simulated_judge_keeps_its_faults_when_it_guesses() -> None:
    judge = Structured(SimulatedTeacher(SimulatedTeacher.Config(faults=Faults(length_bias=1.0))), LIBRARY, 1)
    rows = frame([pair(query=f"q{i}", chosen=f"Yes {i}.", rejected=f"Yes and no {i}.") for i in range(20)])
    assert checks(rows, await ask(rows, judge, LIBRARY))[0].share.value == 0.0
