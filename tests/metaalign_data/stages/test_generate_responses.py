"""Responses for both sides, and what happens when a side has none."""

import re

import pytest
from pydantic import ValidationError

from handmade import saying, scenario
from metaalign_data.chat import ChatRequest
from metaalign_data.errors import BudgetReached, TeacherError
from metaalign_data.records import ResponseSet
from metaalign_data.stage import Reject
from metaalign_data.stages.generate_responses import GenerateResponses
from metaalign_data.testing import check_stage, context
from teachers import Telling, answer


def stage(candidates: int = 2) -> GenerateResponses:
    return GenerateResponses(GenerateResponses.Config(candidates=candidates))


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
