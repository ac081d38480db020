"""What is implied has to be implied: not stated, and there to be inferred; a blind reader decides."""

import json
import re
from collections.abc import Callable

import pytest

from handmade import saying, scenario, side, twin
from metaalign_data.chat import ChatRequest
from metaalign_data.errors import TeacherError
from metaalign_data.records import Scenario
from metaalign_data.stage import Reject
from metaalign_data.stages.check_preferences import CheckPreferences
from metaalign_data.testing import check_stage, context
from teachers import Telling

IMPLIED = scenario(sides=(twin(0), twin(1)))
STATED = scenario()
TOLD_TWICE = scenario(twins=(twin(0), twin(1)))


def stage(**config: bool) -> CheckPreferences:
    return CheckPreferences(CheckPreferences.Config(**config))


def reader(*, stated: Callable[[str], bool] = lambda text: False, infers: str = "right") -> Telling:
    """A reader who finds `stated` of a text, and infers the right meaning, the other one, or none."""

    def reply(request: ChatRequest) -> str:
        content = request.messages[-1].content
        (text,) = re.findall(r"<text>(.*?)</text>", content, re.DOTALL)
        if request.prompt.startswith("check_implicitness"):
            return json.dumps({"reason": "r", "stated": stated(text)})
        own = "0" if "tram" in text else "1"
        right = int(re.findall(rf"(\d)\. SECRET TARGET {own}", content)[0])
        return json.dumps({"reason": "r", "option": {"right": right, "other": 3 - right, "none": 0}[infers]})

    return saying(reply)


async def ended(row: Scenario, judge: Telling, **config: bool) -> list[str]:
    made = await stage(**config).process(row, context(judge=judge))
    return [each.reason if isinstance(each, Reject) else f"passed with {len(each.twins)} twins" for each in made]


async def test_the_laws_of_a_stage_hold() -> None:
    await check_stage(stage(), [STATED, IMPLIED, TOLD_TWICE], context(judge=reader()))


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        (reader(), "passed with 0 twins"),
        (reader(infers="other"), "not_recoverable"),
        (reader(infers="none"), "not_recoverable"),
        (reader(stated=lambda text: "tram" in text), "not_implicit"),
        (reader(stated=lambda text: "winter" in text), "not_implicit"),
        (reader(stated=lambda text: True, infers="other"), "not_implicit"),
    ],
)
async def test_what_is_implied_passes_when_it_is_not_stated_and_is_inferred(judge: Telling, expected: str) -> None:
    assert await ended(IMPLIED, judge) == [expected]


async def test_nothing_is_asked_about_what_is_stated() -> None:
    judge = reader()
    assert await ended(STATED, judge) == ["passed with 0 twins"]
    assert judge.requests == []


async def test_where_only_the_twins_fail_the_scenario_passes_without_them() -> None:
    assert await ended(TOLD_TWICE, reader()) == ["passed with 2 twins"]
    assert await ended(TOLD_TWICE, reader(infers="none")) == ["passed with 0 twins", "not_recoverable"]


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({}, {"check_implicitness", "infer_preference"}),
        ({"implicitness": False}, {"infer_preference"}),
        ({"recoverability": False}, {"check_implicitness"}),
        ({"implicitness": False, "recoverability": False}, set()),
    ],
)
async def test_each_check_can_be_left_out_and_the_row_tells_which_were_made(
    config: dict[str, bool], asked: set[str]
) -> None:
    judge = reader()
    (made,) = await stage(**config).process(IMPLIED, context(judge=judge))
    assert isinstance(made, Scenario)
    assert {request.prompt.partition("@")[0] for request in judge.requests} == asked
    assert {version.partition("@")[0] for version in made.prompt_versions} == asked | {"write_explicit_preference"}


async def test_the_reader_sees_the_text_and_both_meanings_in_no_fixed_order_and_nothing_else() -> None:
    firsts = set()
    for i in range(12):
        judge = reader()
        await stage().process(scenario(str(i), sides=(twin(0), twin(1))), context(judge=judge))
        for request in judge.requests:
            if request.prompt.startswith("infer"):
                content = request.messages[-1].content
                assert "You are an AI assistant" not in content
                firsts.add((re.findall(r"1\. SECRET TARGET (\d)", content)[0], "tram" in content))
    assert firsts == {("0", True), ("1", True), ("0", False), ("1", False)}


@pytest.mark.parametrize("reason", ["refused", "length"])
async def test_a_reader_whose_answer_is_of_no_use_costs_the_scenario(reason: str) -> None:
    failing = Telling(*[TeacherError(reason, "why")] * 4)  # type: ignore[arg-type]
    assert await ended(IMPLIED, failing) == [reason]


async def test_a_reader_out_of_reach_fails_the_row() -> None:
    with pytest.raises(TeacherError):
        await ended(IMPLIED, Telling(*[TeacherError("timeout", "late")] * 4))


async def test_the_simulated_reader_tells_a_background_from_a_statement() -> None:
    """Truth from the simulated world: a person's life passes, the wish itself does not."""
    implied, stated = side(0), side(0)
    for_real = {
        "implied": "I steer a night bus and only glance at the screen at red lights.",
        "stated": "Keep it brief.",
    }
    meanings = ("Answer in one or two short sentences, with no more than what was asked.",
                "Answer at length, in at least six sentences, and cover the subject from several sides.")  # fmt: skip
    outcomes = {}
    for name, text in for_real.items():
        preference = implied.preference.model_copy(update={"text": text, "kind": "implicit", "form": "background"})
        first = implied.model_copy(update={"preference": preference, "target": meanings[0]})
        second = stated.model_copy(update={"target": meanings[1]})
        (made,) = await stage().process(scenario(sides=(first, second)), context())
        outcomes[name] = made.reason if isinstance(made, Reject) else "passed"
    assert outcomes == {"implied": "passed", "stated": "not_implicit"}
