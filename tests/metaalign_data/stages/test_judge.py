"""Verdicts: blind, in both orders, and believed only where they agree."""

import json
import re
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handmade import responses, saying, side, vote
from metaalign_data.answers import Winner
from metaalign_data.chat import ChatRequest, Completion, Message
from metaalign_data.errors import BudgetReached, TeacherError
from metaalign_data.prompting import Library
from metaalign_data.records import Comparison, Judgement
from metaalign_data.stage import Reject
from metaalign_data.stages.judge import Judge, believed, decided, others
from metaalign_data.stages.matchups import Matchup
from metaalign_data.testing import check_stage, context
from teachers import Telling


def stage(**config: object) -> Judge:
    return Judge(Judge.Config.model_validate({"votes": 2, "min_agreement": 1.0} | config))


def shown(request: ChatRequest) -> tuple[str, str]:
    text = request.messages[1].content
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
            assert (each.winner, each.score_a, each.score_b) == ("a", 9, 3)
        assert (comparison.winner, comparison.agreement) == ("a", 1.0)


async def test_a_judge_who_prefers_the_other_response_says_so_in_every_vote() -> None:
    made = await judged(by_scores(lambda text, _: 9 if text == "Short." else 3), votes=4)
    assert [[(v.winner, v.score_a, v.score_b) for v in c.votes] for c in made.comparisons] == [
        [("a", 9, 3)] * 4,  # side 0: a is the short one
        [("b", 3, 9)] * 4,  # side 1: a is the long one
    ]


async def test_swapped_says_whether_b_was_shown_first() -> None:
    judge = saying(lambda request: verdict("a", 9, 2) if shown(request)[0] == "Short." else verdict("b", 2, 9))
    made = await judged(judge, votes=4)
    first = Counter(map(shown, judge.requests))
    assert first == {("Short.", "Long, very."): 4, ("Long, very.", "Short."): 4}
    by_place = await stage(votes=2).compare(
        responses(), Matchup(0, 0, 1), Random(0), context(judge=saying(verdict("a", 9, 2)))
    )
    assert isinstance(by_place, Comparison)
    assert {(v.swapped, v.winner, v.score_a) for v in by_place.votes} == {(False, "a", 9.0), (True, "b", 2.0)}
    assert {c.winner for c in made.comparisons} == {"a", "b"}


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
    "said",
    [
        verdict("a", 9, 2),  # always the first one: the orders disagree
        verdict("b", 9, 2),  # winner against its scores
        verdict("a", 5, 5),
        verdict("tie", 9, 2),
    ],
)
async def test_what_is_not_decided_is_a_tie(said: str) -> None:
    made = await judged(saying(said))
    assert [c.winner for c in made.comparisons] == ["tie", "tie"]


@pytest.mark.parametrize(
    ("judge", "reason"),
    [
        (saying(verdict("a", 11, 2)), "malformed"),
        (saying("A is better."), "malformed"),
        (saying(" "), "empty"),
        (Telling(*[TeacherError("refused", "no")] * 4), "refused"),
    ],
)
async def test_a_row_without_any_comparison_is_rejected(judge: Telling, reason: str) -> None:
    (rejected,) = await stage().process(responses(), context(judge=judge))
    assert isinstance(rejected, Reject)
    assert rejected.reason == reason


async def test_an_undecided_comparison_stays_in_the_record() -> None:
    judge = by_scores(lambda text, request: 5 if "thorough" in request.messages[-1].content else len(text) % 10 + 1)
    made = await judged(judge)
    assert {c.side: c.winner for c in made.comparisons} == {0: "a", 1: "tie"}


class Failing:
    """Answers as `inner`, and declines the requests for which `declines` holds."""

    def __init__(self, declines: Callable[[ChatRequest], bool], inner: Telling) -> None:
        self.declines, self.inner = declines, inner

    async def complete(self, request: ChatRequest) -> Completion:
        if self.declines(request):
            raise TeacherError("refused", "no")
        return await self.inner.complete(request)


async def test_a_vote_of_no_use_is_left_out_where_the_others_decide() -> None:
    judge = Failing(lambda r: r.sample == 1 and shown(r)[0] == "Short.", preferring_its_own())
    (made,) = await stage(votes=4).process(responses(), context(judge=judge))
    assert isinstance(made, Judgement)
    assert [(len(c.votes), c.winner, c.agreement) for c in made.comparisons] == [(3, "a", 1.0)] * 2


async def test_votes_in_one_order_decide_nothing() -> None:
    judge = Failing(lambda r: shown(r)[0] == "Short.", preferring_its_own())
    (rejected,) = await stage(votes=4).process(responses(), context(judge=judge))
    assert isinstance(rejected, Reject)
    assert rejected.reason == "refused"
    assert rejected.detail.startswith("2 of 4 votes on 0 and 1 under side 0 are of no use")


async def test_a_comparison_without_half_of_its_votes_is_left_out_and_told_beside_the_judgement() -> None:
    judge = Failing(lambda r: "thorough" in r.messages[-1].content and r.sample > 0, preferring_its_own())
    made, left_out = await stage(votes=6).process(responses(), context(judge=judge))
    assert isinstance(made, Judgement)
    assert [(c.side, c.winner) for c in made.comparisons] == [(0, "a")]
    assert isinstance(left_out, Reject)
    assert (left_out.reason, left_out.detail[:34]) == ("refused", "4 of 6 votes on 1 and 0 under side")


async def test_a_row_is_rejected_for_its_most_frequent_reason() -> None:
    def reply(request: ChatRequest) -> str:
        return " " if request.sample == 0 and shown(request)[0] == "Short." else "A is better."

    (rejected,) = await stage(votes=4).process(responses(), context(judge=saying(reply)))
    assert isinstance(rejected, Reject)
    assert (rejected.reason, rejected.detail[:6]) == ("malformed", "4 of 4")


async def test_without_swapping_half_of_the_votes_are_enough() -> None:
    judge = Failing(lambda r: r.sample > 0, preferring_its_own())
    (made,) = await stage(votes=2, swap_positions=False).process(responses(), context(judge=judge))
    assert isinstance(made, Judgement)
    (rejected,) = await stage(votes=3, swap_positions=False).process(responses(), context(judge=judge))
    assert isinstance(rejected, Reject)


async def test_responses_that_are_equal_are_not_judged() -> None:
    judge = preferring_its_own()
    (rejected,) = await stage().process(responses(("Same.",), ("Same.",)), context(judge=judge))
    assert isinstance(rejected, Reject)
    assert (rejected.reason, judge.requests) == ("nothing_to_compare", [])


async def test_each_of_several_judges_sees_both_orders() -> None:
    judges = [preferring_its_own(), by_scores(lambda text, _: 9 if text == "Short." else 3)]
    (made,) = await stage(votes=2, min_agreement=0.6).process(responses(), context(judge=judges))
    assert isinstance(made, Judgement)
    for judge in judges:
        assert Counter(map(shown, judge.requests)) == {("Short.", "Long, very."): 2, ("Long, very.", "Short."): 2}
    assert [sorted((v.judge, v.swapped, v.winner) for v in c.votes) for c in made.comparisons] == [
        [(0, False, "a"), (0, True, "a"), (1, False, "a"), (1, True, "a")],
        [(0, False, "a"), (0, True, "a"), (1, False, "b"), (1, True, "b")],
    ]
    assert [c.winner for c in made.comparisons] == ["a", "tie"]


async def test_the_judge_reads_what_was_said_before() -> None:
    turns = (Message(role="user", content="Short, please."), Message(role="assistant", content="Ok."))
    row = responses()
    sides = tuple(each.model_copy(update={"history": turns}) for each in row.scenario.sides)
    row = row.model_copy(update={"scenario": row.scenario.model_copy(update={"sides": sides})})
    judge = preferring_its_own()
    await stage().process(row, context(judge=judge))
    assert "<history>User: Short, please.\nAssistant: Ok.</history>" in judge.requests[0].messages[-1].content


async def test_a_twin_is_judged_under_its_own_meta_prompt() -> None:
    row = responses()
    twins = (side(0, "I read on my phone."), side(1, "I write a thorough thesis."))
    row = row.model_copy(update={"scenario": row.scenario.model_copy(update={"twins": twins})})
    judge = preferring_its_own()
    (made,) = await stage().process(row, context(judge=judge))
    assert isinstance(made, Judgement)
    read = Counter(re.findall("<user_info>(.*)</user_info>", "".join(r.messages[1].content for r in judge.requests)))
    assert read == {each.user_info: 2 for each in row.scenario.all_sides}
    assert [(c.side, c.a, c.b, c.winner) for c in made.comparisons] == [
        (0, 0, 1, "a"),
        (1, 1, 0, "a"),
        (2, 0, 1, "a"),
        (3, 1, 0, "a"),
    ]


def by_rubric(scores: dict[str, dict[str, int]], winner: Callable[[str], str]) -> Telling:
    """Scores by response and criterion; `winner` names "a" or "b" by what is shown first."""

    def reply(request: ChatRequest) -> str:
        a, b = shown(request)
        criteria = [
            {"name": name.title(), "reason": "r", "score_a": scores[a][name], "score_b": scores[b][name]}
            for name in reversed(scores[a])
        ]
        return json.dumps({"criteria": criteria, "winner": winner(a)})

    return saying(reply)


RUBRIC_SCORES = {
    "Short.": {"following": 8, "answer": 5, "naturalness": 2},
    "Long, very.": {"following": 4, "answer": 10, "naturalness": 9},
}


async def test_a_rubric_gives_weighted_means_to_the_responses_and_not_to_their_places() -> None:
    judge = by_rubric(RUBRIC_SCORES, lambda a: "a" if a == "Short." else "b")
    made = await judged(judge, rubric="default")
    short, long = (4 * 8 + 5 + 2) / 6, (4 * 4 + 10 + 9) / 6
    for comparison, expected in zip(made.comparisons, [("a", short, long), ("b", long, short)], strict=True):
        assert {(v.winner, v.score_a, v.score_b) for v in comparison.votes} == {expected}
    assert made.comparisons[0].votes[0].reason == "naturalness: r; answer: r; following: r"
    system = judge.requests[0].messages[0].content
    assert all(f"- {criterion.name}: {criterion.asks}" in system for criterion in Library().rubric("default").criteria)


async def test_a_winner_with_the_lower_weighted_mean_is_a_tie() -> None:
    judge = by_rubric(RUBRIC_SCORES, lambda a: "b" if a == "Short." else "a")
    made = await judged(judge, rubric="default")
    assert [c.winner for c in made.comparisons] == ["tie", "tie"]


async def test_a_verdict_that_forgets_a_criterion_is_asked_for_again() -> None:
    forgetful = {text: {"following": 8, "answer": 5} for text in RUBRIC_SCORES}
    judge = by_rubric(forgetful, lambda _: "a")
    (rejected,) = await stage(rubric="default").process(responses(), context(judge=judge))
    assert isinstance(rejected, Reject)
    assert rejected.reason == "malformed"
    assert len(judge.requests) == 2 * 2 * 3


async def test_the_simulated_judge_answers_with_and_without_a_rubric() -> None:
    row = responses(("Yes.",), ("- Air.\n- Light.\n- Water.",))
    bullets, prose = side(0, "Please write in plain prose, no lists."), side(1, "Use bullet points.")
    row = row.model_copy(update={"scenario": row.scenario.model_copy(update={"sides": (bullets, prose)})})
    for rubric in (None, "default"):
        (made,) = await stage(rubric=rubric).process(row, context())
        assert isinstance(made, Judgement)
        assert [c.winner for c in made.comparisons] == ["a", "a"]


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
    assert believed(winner, score_a, score_b) == expected


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


class Named:
    """A judge that tells which model it is."""

    def __init__(self, *models: str) -> None:
        self.models = frozenset(models)

    async def complete(self, request: ChatRequest) -> Completion:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("writers", "left"),
    [({"a"}, [1, 2]), ({"a", "b"}, [2]), ({"a", "b", "c"}, [0, 1, 2]), ({"x"}, [0, 1, 2]), (set(), [0, 1, 2])],
)
def test_who_wrote_a_response_does_not_judge_it_where_others_can(writers: set[str], left: list[int]) -> None:
    assert others([Named("a"), Named("b"), Named("c")], writers) == left


def test_a_judge_that_does_not_say_what_it_is_may_judge() -> None:
    assert others([Telling(), Named("a")], {"a"}) == [0]
