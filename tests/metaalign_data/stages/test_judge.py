"""Verdicts: blind, in both orders, and believed only where they agree."""

import json
import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handmade import responses, saying, vote
from metaalign_data.answers import PairwiseVerdict
from metaalign_data.chat import ChatRequest
from metaalign_data.errors import BudgetReached, TeacherError
from metaalign_data.records import Comparison, Judgement
from metaalign_data.stage import Reject
from metaalign_data.stages.judge import Judge, Winner, believed, decided
from metaalign_data.testing import check_stage, context
from teachers import Telling


def stage(**config: object) -> Judge:
    return Judge(Judge.Config.model_validate(config))


def shown(request: ChatRequest) -> tuple[str, str]:
    text = request.messages[-1].content
    (a,), (b,) = (re.findall(f"<response_{name}>(.*?)</response_{name}>", text, re.DOTALL) for name in "ab")
    return a, b


def verdict(winner: str, score_a: int, score_b: int) -> str:
    return json.dumps({"reason": "r", "winner": winner, "score_a": score_a, "score_b": score_b})


def by_scores(score: Callable[[str, ChatRequest], int]) -> Telling:
    """A consistent judge: scores each response, whatever its place."""

    def reply(request: ChatRequest) -> str:
        a, b = (score(text, request) for text in shown(request))
        return verdict("tie" if a == b else "a" if a > b else "b", a, b)

    return saying(reply)


def preferring_its_own() -> Telling:
    """Follows the meta-prompt: short answers under side 0, long ones under side 1."""
    return by_scores(lambda text, request: 9 if (len(text) > 8) == ("thorough" in request.messages[-1].content) else 3)


async def judged(judge: Telling, **config: object) -> Judgement:
    (made,) = await stage(**config).process(responses(), context(judge=judge))
    assert isinstance(made, Judgement), made
    return made


async def test_the_laws_of_a_stage_hold() -> None:
    rows = [responses(("A", "B"), ("C",), key=str(i)) for i in range(3)]
    await check_stage(stage(votes=4), rows, context(judge=by_scores(lambda text, _: ord(text[0]) - 60)))


async def test_each_pair_across_the_sides_is_compared_under_both_meta_prompts() -> None:
    row = responses(("A", "B"), ("C", "D"))
    judge = by_scores(lambda text, _: ord(text) - 60)
    (made,) = await stage().process(row, context(judge=judge))
    assert isinstance(made, Judgement)
    assert sorted((c.a, c.b, c.side) for c in made.comparisons) == [
        (a, b, side) for a in (0, 1) for b in (2, 3) for side in (0, 1)
    ]
    assert len(judge.requests) == 8 * 2


async def test_half_of_the_votes_see_the_other_order() -> None:
    judge = preferring_its_own()
    made = await judged(judge, votes=4)
    for comparison in made.comparisons:
        assert Counter(v.swapped for v in comparison.votes) == {True: 2, False: 2}
    assert Counter(map(shown, judge.requests)) == {("Short.", "Long, very."): 4, ("Long, very.", "Short."): 4}


async def test_repeats_of_one_order_are_asked_as_independent_answers() -> None:
    for config in ({"votes": 6}, {"votes": 3, "swap_positions": False}):
        judge = preferring_its_own()
        await judged(judge, **config)
        asked = Counter((request.messages, request.sample) for request in judge.requests)
        assert set(asked.values()) == {1}
        assert {request.sample for request in judge.requests} == {0, 1, 2}


async def test_scores_and_winners_belong_to_the_responses_and_not_to_their_places() -> None:
    made = await judged(preferring_its_own(), votes=4)
    for comparison in made.comparisons:
        for each in comparison.votes:
            assert (each.score_a, each.score_b) == ((9, 3), (3, 9))[comparison.side]
            assert each.winner == ("a", "b")[comparison.side]
        assert (comparison.winner, comparison.agreement) == (("a", "b")[comparison.side], 1.0)


async def test_what_is_shown_first_has_nothing_to_do_with_the_side() -> None:
    judge = preferring_its_own()
    for i in range(60):
        await stage(votes=1, swap_positions=False).process(responses(key=str(i)), context(judge=judge))
    first = Counter(shown(request)[0] for request in judge.requests)
    assert min(first["Short."], first["Long, very."]) > 40


async def test_the_judge_sees_neither_target_nor_writer() -> None:
    judge = preferring_its_own()
    await judged(judge)
    for request in judge.requests:
        text = "".join(message.content for message in request.messages)
        assert "SECRET TARGET" not in text
        assert not re.search(r"\bm[01]\b", text)


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        (saying(verdict("a", 9, 2)), "tie"),  # always the first one: the orders disagree
        (saying(verdict("b", 9, 2)), "tie"),  # winner against its scores
        (saying(verdict("a", 5, 5)), "tie"),
        (saying(verdict("tie", 9, 2)), "tie"),
        (saying(verdict("a", 11, 2)), "malformed"),
        (saying("A is better."), "malformed"),
        (saying(" "), "empty"),
        (Telling(*[TeacherError("refused", "no")] * 4), "refused"),
    ],
)
async def test_a_row_without_any_decision_is_rejected(judge: Telling, reason: str) -> None:
    (rejected,) = await stage().process(responses(), context(judge=judge))
    assert isinstance(rejected, Reject)
    assert rejected.reason == reason


async def test_an_undecided_comparison_stays_in_the_record() -> None:
    judge = by_scores(lambda text, request: 5 if "thorough" in request.messages[-1].content else len(text) % 10 + 1)
    made = await judged(judge)
    assert {c.side: c.winner for c in made.comparisons} == {0: "a", 1: "tie"}


@pytest.mark.parametrize("error", [TeacherError("timeout", "late"), BudgetReached("spent")])
async def test_what_is_no_answer_at_all_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        await stage().process(responses(), context(judge=Telling(*[TeacherError("refused", "no"), error] * 2)))


@pytest.mark.parametrize(
    ("winner", "score_a", "score_b", "expected"),
    [
        ("a", 9, 2, "a"),
        ("b", 2, 9, "b"),
        ("b", 9, 2, "tie"),
        ("a", 2, 9, "tie"),
        ("tie", 9, 2, "tie"),
        ("a", 5, 5, "tie"),
    ],
)
def test_a_verdict_is_believed_where_its_scores_say_the_same(
    winner: Winner, score_a: int, score_b: int, expected: Winner
) -> None:
    assert believed(PairwiseVerdict(reason="r", winner=winner, score_a=score_a, score_b=score_b)) == expected


@pytest.mark.parametrize(
    ("votes", "min_agreement", "winner"),
    [
        ("aa", 1.0, "a"),
        ("bb", 1.0, "b"),
        ("ab", 0.51, "tie"),
        ("aaab", 1.0, "tie"),
        ("aaab", 0.75, "a"),
        ("aabt", 0.51, "tie"),
        ("bbb" + "t" * 1, 0.7, "b"),
        ("tttt", 0.51, "tie"),
        ("a" * 14 + "b" * 11, 0.56, "a"),  # 0.56 * 25 is above 14 in floating point
    ],
)
def test_enough_votes_have_to_name_the_winner(votes: str, min_agreement: float, winner: str) -> None:
    given_votes = [vote({"a": "a", "b": "b", "t": "tie"}[v]) for v in votes]
    assert decided(given_votes, min_agreement) == winner


@given(st.lists(st.sampled_from(["a", "b", "tie"]), min_size=1, max_size=9), st.floats(0.5, 1.0, exclude_min=True))
def test_agreement_is_a_share_and_a_decision_has_enough_of_it(winners: list[str], min_agreement: float) -> None:
    votes = tuple(vote(w) for w in winners)
    comparison = Comparison(side=0, a=0, b=1, votes=votes, winner=decided(votes, min_agreement))
    assert 0.0 <= comparison.agreement <= 1.0
    assert comparison.winner == "tie" or comparison.agreement >= min_agreement
    assert all(1 <= score <= 10 for score in comparison.scores)


@pytest.mark.parametrize(
    "config", [{"votes": 3}, {"votes": 0}, {"min_agreement": 0.5}, {"min_agreement": 1.1}, {"vots": 2}]
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        stage(**config)


def test_an_odd_number_of_votes_is_refused_with_the_reason() -> None:
    with pytest.raises(ValidationError, match="votes must be even, is 3"):
        stage(votes=3)
    assert stage(votes=3, swap_positions=False).config.votes == 3
