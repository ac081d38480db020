import json
import re

import pytest

from metaalign_data.answers import OpinionQuestions, PairwiseVerdict, PreferenceText
from metaalign_data.chat import Completion
from metaalign_data.errors import TeacherError
from metaalign_data.prompting import Library
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.structured import MAX_CANDIDATES, Structured, read_json
from mock_openai import MockOpenAI, Reply
from teachers import Telling, answer, ask, asking

LIBRARY = Library()
GOOD = '{"text": "I like short answers."}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"Here you are:\n```json\n{GOOD}\n```\nAnything else?",
        f"Sure! {GOOD} I hope that helps.",
        f'{{"thought": "first"}} and then {GOOD}',
        f"{{not JSON}} but {GOOD}",
        f'<think>Perhaps {{"text": "a draft"}}? No.</think>\n{GOOD}',
        '{"text": "I like short answers.", "and": "more"}',
    ],
)
def test_json_is_found_wherever_it_stands(text: str) -> None:
    found = read_json(text, PreferenceText)
    assert PreferenceText.model_validate_json(found).text == "I like short answers."
    assert isinstance(json.loads(found), dict)


def test_a_raw_line_break_in_a_string_is_forgiven_and_mended() -> None:
    assert read_json('{"text": "one\ntwo"}', PreferenceText) == '{"text": "one\\ntwo"}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I would rather not.", "no complete JSON object in it (Expecting value"),
        ('{"text": "cut o', "no complete JSON object in it (Unterminated string"),
        ("[1, 2]", "it is JSON, but no object"),
        ("{}", "text: Field required"),
        ('{"text": ""}', "text: String should have at least 1 character"),
        ('{"text": "\\ud83d"}', "unable to parse raw data as a unicode string"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("{" * 100_000, "no complete JSON object"),
    ],
)
def test_what_is_wrong_is_said_in_a_few_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_json(text, PreferenceText)
    assert len(str(caught.value)) < 500


def test_all_fields_in_error_are_named_up_to_a_limit() -> None:
    with pytest.raises(ValueError, match=r"reason: Field required; score_a: .* 10; winner: .*'a', 'b' or 'tie'"):
        read_json('{"score_a": 11, "score_b": 3, "winner": "A"}', PairwiseVerdict)
    with pytest.raises(ValueError, match="and 1 more"):
        read_json("{}", PairwiseVerdict)


def test_an_answer_of_braces_is_given_up_soon() -> None:
    text = "{} " * MAX_CANDIDATES + GOOD
    with pytest.raises(ValueError, match="Field required"):
        read_json(text, PreferenceText)


async def test_free_text_passes_as_it_is() -> None:
    assert (await Structured(Telling(answer(" {x} ")), LIBRARY, 3).complete(ask())).text == " {x} "


async def test_the_text_becomes_the_json_and_nothing_else() -> None:
    teacher = Telling(answer(f"Sure:\n```json\n{GOOD}\n```", 7, 8))
    completion = await Structured(teacher, LIBRARY, 3).complete(ask().expecting(PreferenceText))
    assert completion == answer(GOOD, 7, 8)


async def test_malformed_json_is_asked_again_with_what_is_wrong(server: MockOpenAI) -> None:
    bad = '{"reason": "r", "score_a": 12, "score_b": 3, "winner": "a"}'
    server.script.append(Reply(bad))
    async with asking(server) as teacher:
        completion = await Structured(teacher, LIBRARY, 3).complete(ask("judge").expecting(PairwiseVerdict))
    PairwiseVerdict.model_validate_json(completion.text)
    first, second = (call.body for call in server.calls)
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][:2] == [*first["messages"], {"role": "assistant", "content": bad}]
    assert "score_a: Input should be less than or equal to 10" in second["messages"][2]["content"]
    assert second["response_format"] == first["response_format"]


async def test_an_answer_that_stays_malformed_fails_with_what_it_was() -> None:
    teacher = Telling(answer("one"), answer("two"), answer("three"))
    with pytest.raises(TeacherError) as caught:
        await Structured(teacher, LIBRARY, 3).complete(ask().expecting(OpinionQuestions))
    assert caught.value.reason == "malformed"
    assert str(caught.value).startswith("asked 3 times: there is no complete JSON object in it")
    assert str(caught.value).endswith("the last answer began 'three'")
    assert [len(request.messages) for request in teacher.requests] == [1, 3, 5]


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (answer("I won't", finish_reason="refused"), "refused"),
        (answer("half an ans", finish_reason="length"), "length"),
        (answer("", finish_reason="length"), "length"),
        (answer(""), "empty"),
        (answer(" \n"), "empty"),
    ],
)
@pytest.mark.parametrize("output", [None, PreferenceText])
async def test_an_answer_that_is_none_fails_at_once(
    completion: Completion, reason: str, output: type[PreferenceText] | None
) -> None:
    teacher = Telling(completion, answer(GOOD))
    with pytest.raises(TeacherError) as caught:
        await Structured(teacher, LIBRARY, 3).complete(ask(output=output))
    assert caught.value.reason == reason
    assert len(teacher.requests) == 1


async def test_how_many_answers_were_the_json_that_was_asked_for_is_counted() -> None:
    meter = Meter()
    asked = Structured(Telling(answer("none"), answer(GOOD), answer("prose")), LIBRARY, 3, meter=meter)
    await asked.complete(ask(output=PreferenceText))
    await asked.complete(ask())
    assert (meter.parsed, meter.malformed) == (1, 1)
