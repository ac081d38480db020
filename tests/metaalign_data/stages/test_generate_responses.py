"""Responses for both sides, and what happens when a side has none."""

import re

import pytest
from pydantic import ValidationError

from handmade import saying, scenario, side
from metaalign_data.chat import ChatRequest, Message
from metaalign_data.errors import BudgetReached, TeacherError
from metaalign_data.records import ResponseSet
from metaalign_data.stage import Reject
from metaalign_data.stages.generate_responses import GenerateResponses
from metaalign_data.testing import check_stage, context
from teachers import Telling, answer


def stage(candidates: int = 2) -> GenerateResponses:
    return GenerateResponses(GenerateResponses.Config(candidates=candidates, rivals={}))


def side_of(request: ChatRequest) -> int:
    (found,) = re.findall(r"SECRET TARGET (\d)", request.messages[-1].content)
    return int(found)


def writing(*texts: str | Exception) -> Telling:
    """Writes these, one after the other."""
    return Telling(*(each if isinstance(each, Exception) else answer(each) for each in texts))


async def ending(candidates: int, *texts: str | Exception) -> object:
    (ended,) = await stage(candidates).process(scenario(), context(teacher=writing(*texts)))
    if isinstance(ended, ResponseSet):
        return [(response.side, response.text) for response in ended.responses]
    return ended.reason


async def test_the_laws_of_a_stage_hold() -> None:
    await check_stage(stage(4), [scenario(str(i)) for i in range(3)])


async def test_responses_are_written_for_the_sides_in_turn_each_with_its_own_target() -> None:
    teacher = saying(lambda request: f"{side_of(request)} {request.sample}")
    (made,) = await stage(5).process(scenario(), context(teacher=teacher))
    assert isinstance(made, ResponseSet)
    assert [(r.side, r.text) for r in made.responses] == [(0, "0 0"), (1, "1 0"), (0, "0 1"), (1, "1 1"), (0, "0 2")]
    assert {r.model for r in made.responses} == {"m"}
    assert made.prompt_versions[0].startswith("generate_response@")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["A", "B"], [(0, "A"), (1, "B")]),
        ([" A\n", "A"], "identical_responses"),
        (["A", "A", "A", "A"], "identical_responses"),
        (["A", "A", "B", "B"], "identical_responses"),
        (["A", "A", "B", "C"], [(0, "A"), (0, "B"), (1, "C")]),
        (["A", "B", "A", "B"], [(0, "A"), (1, "B")]),
        (["A", TeacherError("refused", "no")], "refused"),
        ([TeacherError("length", "cut"), "B"], "length"),
        (["A", " "], "empty"),
        ([TeacherError("refused", "no"), "B", "A", TeacherError("length", "cut")], [(1, "B"), (0, "A")]),
    ],
)
async def test_each_side_keeps_its_distinct_texts_or_the_row_is_rejected(
    texts: list[str | Exception], expected: object
) -> None:
    assert await ending(len(texts), *texts) == expected


@pytest.mark.parametrize("error", [TeacherError("timeout", "late"), BudgetReached("spent")])
async def test_what_is_no_answer_at_all_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        await ending(2, "A", error)


async def test_no_words_of_the_other_side_reach_the_writer() -> None:
    def check(request: ChatRequest) -> str:
        content = "".join(message.content for message in request.messages)
        assert ("brief" in content, "thorough" in content) == ((True, False), (False, True))[side_of(request)]
        return str(side_of(request))

    (made,) = await stage().process(scenario(), context(teacher=saying(check)))
    assert not isinstance(made, Reject)


def test_one_candidate_is_no_pair() -> None:
    with pytest.raises(ValidationError):
        GenerateResponses.Config(candidates=1)


def rivals(**shares: float) -> GenerateResponses:
    return GenerateResponses(GenerateResponses.Config.model_validate({"rivals": shares}))


async def test_a_rival_is_written_without_a_target_and_by_the_weaker_model_where_that_is_asked_for() -> None:
    writer = saying(lambda r: f"{r.prompt.partition('@')[0]} {r.messages[-1].content[-60:]}")
    weak = saying("By the weaker one.")
    ctx = context(teacher=writer, weak_teacher=weak)
    (made,) = await rivals(generic=1, ignores=1, weaker=1).process(scenario(), ctx)
    assert isinstance(made, ResponseSet)
    by_source = {r.source: r for r in made.responses}
    assert [r.source for r in made.responses] == ["side", "side", "generic", "ignores", "weaker"]
    assert by_source["generic"].text.startswith("generate_generic_response")
    assert by_source["ignores"].text.startswith("generate_heedless_response")
    assert by_source["weaker"].text == "By the weaker one."
    asked = [r for r in (*writer.requests, *weak.requests) if not r.prompt.startswith("generate_response@")]
    assert len(asked) == 3
    assert not any("SECRET TARGET" in message.content for request in asked for message in request.messages)
    assert {version.partition("@")[0] for version in made.prompt_versions} == {
        "generate_response",
        "generate_generic_response",
        "generate_heedless_response",
        "follow_meta_prompt",
    }


async def test_the_generic_answer_is_asked_for_without_the_meta_prompt() -> None:
    writer = saying(lambda r: r.prompt)
    await rivals(generic=1).process(scenario(), context(teacher=writer))
    (request,) = [r for r in writer.requests if r.prompt.startswith("generate_generic")]
    assert not any(word in m.content for m in request.messages for word in ("brief", "thorough"))


async def test_rivals_come_up_in_their_share_of_the_scenarios_and_for_either_side() -> None:
    stage = rivals(generic=0.3, ignores=0)
    made = [(await stage.process(scenario(str(i)), context()))[0] for i in range(200)]
    found = [r.side for each in made if isinstance(each, ResponseSet) for r in each.responses if r.source != "side"]
    assert 40 < len(found) < 80
    assert 15 < sum(found) < len(found) - 15


async def test_where_no_side_wants_it_the_losing_answer_is_written_from_the_rival_target() -> None:
    alone = side(0).model_copy(update={"rival_target": "SECRET TARGET 1"})
    teacher = saying(lambda request: f"answer {side_of(request)}")
    (made,) = await stage().process(scenario(sides=(alone,)), context(teacher=teacher))
    assert isinstance(made, ResponseSet)
    assert [(r.side, r.text) for r in made.responses] == [(0, "answer 0"), (1, "answer 1")]


async def test_earlier_turns_reach_the_writer_as_text() -> None:
    turns = (Message(role="user", content="Keep it short.\nAlways."), Message(role="assistant", content="Gladly."))
    sides = (side(0).model_copy(update={"history": turns}), side(1))
    teacher = saying(lambda request: f"answer {side_of(request)}")
    await stage().process(scenario(sides=sides), context(teacher=teacher))
    asked = {side_of(request): request.messages[-1].content for request in teacher.requests}
    assert "<history>User: Keep it short.\n  Always.\nAssistant: Gladly.</history>" in asked[0]
    assert "<history></history>" in asked[1]
