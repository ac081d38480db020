"""Responses and pairs that are there already: what becomes of them before they are judged."""

import json
from collections import Counter

import pytest

from handmade import query, saying
from metaalign_data.chat import ChatRequest
from metaalign_data.errors import TeacherError
from metaalign_data.records import AnsweredQuery, PreferencePair, ResponseSet
from metaalign_data.stage import Reject
from metaalign_data.stages.explain_pairs import ExplainPairs
from metaalign_data.stages.judge import Judge
from metaalign_data.stages.pair import Pair
from metaalign_data.stages.take_responses import TakeResponses
from metaalign_data.testing import check_stage, context
from teachers import Telling

SHORT, LONG = "Cook it.", "Cook it for nine minutes. Mind the salt. Let it rest. Peel it. Slice it. Serve it. Eat it."


def answered(key: str = "q1", **fields: str) -> AnsweredQuery:
    return AnsweredQuery.model_validate({"query": query(key=key), "responses": (SHORT, LONG)} | fields)


def explained(**stage: float) -> ExplainPairs:
    return ExplainPairs(ExplainPairs.Config(**stage))


async def test_the_laws_of_a_stage_hold() -> None:
    rows = [answered(str(i), user_info="Please be brief.") for i in range(3)]
    await check_stage(TakeResponses(), [*rows, answered("x")])
    await check_stage(explained(), rows)


@pytest.mark.parametrize(
    ("given", "placement", "preference"),
    [
        ({"user_info": "I skim."}, "user_info", "I skim."),
        ({"system_info": "Be brief."}, "system_info", "Be brief."),
        ({"system_info": "Be kind.", "user_info": "I skim."}, "both", "I skim."),
    ],
)
async def test_responses_are_taken_under_the_meta_prompt_that_they_come_with(
    given: dict[str, str], placement: str, preference: str
) -> None:
    (made,) = await TakeResponses().process(answered(**given, model="m7"), context())
    assert isinstance(made, ResponseSet)
    (side,) = made.scenario.sides
    assert (side.placement, side.preference.text, side.rejected_because) == (placement, preference, "judged_worse")
    assert (side.system_info, side.user_info) == (given.get("system_info", ""), given.get("user_info", ""))
    assert [(r.side, r.source, r.text, r.model) for r in made.responses] == [
        (None, "given", SHORT, "m7"),
        (None, "given", LONG, "m7"),
    ]


async def test_without_a_meta_prompt_nothing_says_what_is_to_win() -> None:
    (ended,) = await TakeResponses().process(answered(), context())
    assert isinstance(ended, Reject)
    assert ended.reason == "no_meta_prompt"


@pytest.mark.parametrize(("wish", "chosen"), [("Please be brief.", SHORT), ("Please answer at length.", LONG)])
async def test_the_judge_decides_which_of_the_responses_is_chosen(wish: str, chosen: str) -> None:
    ctx = context()
    (taken,) = await TakeResponses().process(answered(user_info=wish), ctx)
    judged = await Judge(Judge.Config()).process(taken, ctx)  # type: ignore[arg-type]
    (made,) = await Pair(Pair.Config()).process(judged[0], ctx)  # type: ignore[arg-type]
    assert isinstance(made, PreferencePair)
    assert made.chosen[0].content == chosen


def explaining(request: ChatRequest) -> str:
    """A teacher that says of which response it speaks."""
    content = request.messages[-1].content
    a_is_short = SHORT in content.partition("<response_a>")[2].partition("</response_a>")[0].splitlines()[0] and (
        LONG not in content.partition("<response_a>")[2].partition("</response_a>")[0]
    )
    brief = {"value": "brief", "meaning": "Be brief.", "text": "I skim."}
    thorough = {"value": "thorough", "meaning": "Be thorough.", "text": "I read all."}
    first, second = (brief, thorough) if a_is_short else (thorough, brief)
    return json.dumps({"dimension": "length", "first": first, "second": second})


async def test_a_label_is_explained_and_reversed_whichever_response_the_teacher_saw_first() -> None:
    firsts: Counter[bool] = Counter()
    for i in range(30):
        teacher = saying(explaining)
        (made,) = await explained(in_system_info=0).process(answered(str(i)), context(teacher=teacher))
        assert isinstance(made, ResponseSet)
        explains, reverses = made.scenario.sides
        assert (explains.user_info, explains.target, explains.preference.value) == ("I skim.", "Be brief.", "brief")
        assert (reverses.user_info, reverses.target, reverses.preference.value) == (
            "I read all.",
            "Be thorough.",
            "thorough",
        )
        assert [(r.side, r.source, r.text) for r in made.responses] == [(0, "given", SHORT), (1, "given", LONG)]
        firsts[LONG in teacher.requests[0].messages[-1].content.partition("<response_b>")[0]] += 1
    assert min(firsts[True], firsts[False]) > 6


async def test_the_provider_has_its_share_of_the_preferences_and_speaks_as_a_provider() -> None:
    places = Counter()
    for i in range(60):
        teacher = saying(explaining)
        (made,) = await explained(in_system_info=0.5).process(answered(str(i)), context(teacher=teacher))
        assert isinstance(made, ResponseSet)
        for side in made.scenario.sides:
            places[side.placement] += 1
            stands = side.system_info if side.placement == "system_info" else side.user_info
            assert stands.endswith(side.preference.text)
        speaker = "provider" if side.placement == "system_info" else "user"
        assert f"<speaker>{speaker}</speaker>" in teacher.requests[0].messages[-1].content
    assert min(places["system_info"], places["user_info"]) > 30


@pytest.mark.parametrize(
    ("teacher", "reason"),
    [
        (saying("Sure!"), "malformed"),
        (Telling(TeacherError("refused", "no")), "refused"),
        (
            saying(
                json.dumps(
                    {
                        "dimension": "d",
                        "first": {"value": "a", "meaning": "A.", "text": "Same."},
                        "second": {"value": "b", "meaning": "B.", "text": "same."},
                    }
                )
            ),
            "no_contrast",
        ),
    ],
)
async def test_a_pair_that_cannot_be_explained_is_rejected(teacher: Telling, reason: str) -> None:
    (ended,) = await explained().process(answered(), context(teacher=teacher))
    assert isinstance(ended, Reject)
    assert ended.reason == reason


async def test_of_the_simulated_world_both_directions_of_an_explained_pair_are_confirmed() -> None:
    ctx = context()
    (made,) = await explained().process(answered(), ctx)
    judged = await Judge(Judge.Config()).process(made, ctx)  # type: ignore[arg-type]
    rows = [each for each in await Pair(Pair.Config()).process(judged[0], ctx) if isinstance(each, PreferencePair)]  # type: ignore[arg-type]
    assert len(rows) == 2
    assert rows[0].flip_id == rows[1].flip_id is not None
    assert rows[0].chosen[0].content == SHORT
