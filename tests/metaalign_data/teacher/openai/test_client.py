"""The `openai` provider against a real HTTP server."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from metaalign_data.answers import PairwiseVerdict, PreferenceText
from metaalign_data.chat import Message
from metaalign_data.errors import TeacherError, UserError
from metaalign_data.teacher.base import Client
from metaalign_data.teacher.openai import OpenAITeacher
from mock_openai import Call, MockOpenAI, Reply, completion, mock_openai
from teachers import ask, asking

HELLO = ask(temperature=0.5, max_tokens=50)
JSON_HELLO = HELLO.expecting(PreferenceText)


def format_of(call: Call) -> str | None:
    kind: str | None = call.body.get("response_format", {}).get("type")
    return kind


async def test_it_is_a_client(server: MockOpenAI) -> None:
    async with asking(server) as teacher:
        assert isinstance(teacher, Client)


async def test_an_answer_carries_text_model_and_what_the_server_counted(server: MockOpenAI) -> None:
    server.script.append(Reply("Good day."))
    async with asking(server, top_p=0.9, extra_body={"min_p": 0.1}) as teacher:
        answer = await teacher.complete(HELLO)
    assert (answer.text, answer.model, answer.finish_reason) == ("Good day.", "mock-model", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 3)
    (call,) = server.calls
    sent = {name: call.body[name] for name in ("model", "temperature", "max_tokens", "top_p", "min_p")}
    assert sent == {"model": "mock-model", "temperature": 0.5, "max_tokens": 50, "top_p": 0.9, "min_p": 0.1}
    assert call.body["messages"] == [{"role": "user", "content": "hello"}]


async def test_tokens_are_estimated_where_the_server_counts_none(server: MockOpenAI) -> None:
    body = completion({"model": "m", "messages": []}, ["12345678"])
    del body["usage"]
    server.script.append(Reply(body))
    async with asking(server) as teacher:
        usage = (await teacher.complete(HELLO)).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (2, 2)


@pytest.mark.parametrize(
    ("choice", "finish_reason", "text"),
    [
        ({"message": {"content": "a"}, "finish_reason": "length"}, "length", "a"),
        ({"message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"}, "refused", "I will not."),
        ({"message": {"content": None}, "finish_reason": "content_filter"}, "refused", ""),
        ({"message": {"content": None}, "finish_reason": "stop"}, "stop", ""),
        ({"message": {"content": "half \ud83d"}, "finish_reason": None}, "stop", "half ?"),
    ],
)
async def test_what_kind_of_end_an_answer_came_to(
    server: MockOpenAI, choice: dict[str, Any], finish_reason: str, text: str
) -> None:
    server.script.append(Reply({"choices": [choice]}))
    async with asking(server) as teacher:
        answer = await teacher.complete(HELLO)
    assert (answer.finish_reason, answer.text) == (finish_reason, text)


async def test_a_proxy_in_the_environment_does_not_stand_before_loopback(
    server: MockOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with asking(server) as teacher:
        assert teacher.check() == []
        assert (await teacher.complete(HELLO)).text


async def test_no_key_is_needed_for_a_server_of_ones_own(server: MockOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY")
    async with asking(server) as teacher:
        assert teacher.check() == []
        assert (await teacher.complete(HELLO)).text


async def test_json_is_asked_for_by_schema_first(server: MockOpenAI) -> None:
    async with asking(server) as teacher:
        answer = await teacher.complete(HELLO.expecting(PairwiseVerdict))
    PairwiseVerdict.model_validate_json(answer.text)
    (call,) = server.calls
    wanted = call.body["response_format"]["json_schema"]
    assert (wanted["name"], wanted["strict"]) == ("PairwiseVerdict", True)
    assert wanted["schema"]["additionalProperties"] is False
    assert [m["role"] for m in call.body["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("refused", "tried"),
    [
        ({"json_schema": "refuse"}, ["json_schema", "json_object"]),
        ({"json_schema": "refuse", "json_object": "refuse"}, ["json_schema", "json_object", None]),
    ],
)
async def test_a_refused_format_is_given_up_once_and_for_all(refused: dict[str, str], tried: list[str | None]) -> None:
    with mock_openai(**refused) as server:
        async with asking(server) as teacher:
            await teacher.complete(JSON_HELLO)
            assert list(map(format_of, server.calls)) == tried
            await teacher.complete(JSON_HELLO)
            assert list(map(format_of, server.calls)) == [*tried, tried[-1]]
            assert len(teacher.notices) == len(tried) - 1
    instructions, question = server.calls[-1].body["messages"]
    assert instructions["role"] == "system"
    assert '"text"' in instructions["content"]
    assert question == {"role": "user", "content": "hello"}


async def test_requests_in_flight_together_give_up_one_format_not_two() -> None:
    with mock_openai(json_schema="refuse", latency_ms=50) as server:
        async with asking(server) as teacher:
            await asyncio.gather(*(teacher.complete(JSON_HELLO) for _ in range(8)))
    assert list(map(format_of, server.calls)) == ["json_schema"] * 8 + ["json_object"] * 8


async def test_instructions_join_the_system_message_that_is_there() -> None:
    request = JSON_HELLO.model_copy(update={"messages": (Message(role="system", content="Be kind."), *HELLO.messages)})
    with mock_openai(json_schema="refuse") as server:
        async with asking(server) as teacher:
            await teacher.complete(request)
    system, _ = server.calls[-1].body["messages"]
    assert system["content"].startswith("Be kind.\n\nAnswer with one JSON value")


async def test_a_server_that_wants_max_completion_tokens_gets_them() -> None:
    with mock_openai(max_tokens="refuse") as server:
        async with asking(server) as teacher:
            await teacher.complete(HELLO)
            await teacher.complete(HELLO)
    assert ["max_tokens" in call.body for call in server.calls] == [True, False, False]
    assert server.calls[-1].body["max_completion_tokens"] == 50


async def test_a_refused_temperature_is_left_out(server: MockOpenAI) -> None:
    words = "Unsupported value: 'temperature' does not support 0.5. Only the default (1) value is supported."
    server.script.append(Reply({"error": {"message": words}}, status=400))
    async with asking(server) as teacher:
        assert (await teacher.complete(HELLO)).text
        assert len(teacher.notices) == 1
    assert ["temperature" in call.body for call in server.calls] == [True, False]


async def test_a_refusal_of_the_request_itself_is_not_taken_for_one_of_its_format(server: MockOpenAI) -> None:
    server.script.append(Reply({"error": {"message": "the prompt is too long"}}, status=400))
    async with asking(server) as teacher:
        with pytest.raises(TeacherError) as caught:
            await teacher.complete(JSON_HELLO)
    assert caught.value.reason == "bad_request"
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "host:8000", "http://", "http://me:secret@host/v1", "http://h/v1?key=1"]
)
def test_a_base_url_that_cannot_be_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        OpenAITeacher.Config(model="m", base_url=url)


def test_a_server_in_the_environment_is_held_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://h:1/v1/")
    assert OpenAITeacher(OpenAITeacher.Config(model="m")).connection.base_url == "http://h:1/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:secret@h/v1")
    with pytest.raises(UserError, match="OPENAI_BASE_URL: must hold no key or password") as caught:
        OpenAITeacher(OpenAITeacher.Config(model="m"))
    assert "secret" not in str(caught.value)


def identity(**config: Any) -> str:
    return OpenAITeacher(OpenAITeacher.Config(**{"model": "m"} | config)).identity


@pytest.mark.parametrize(
    "change", [{"model": "n"}, {"base_url": "http://h/v1"}, {"top_p": 0.5}, {"extra_body": {"top_k": 3}}]
)
def test_all_that_shapes_an_answer_is_in_the_identity(change: dict[str, Any]) -> None:
    assert identity(**change) != identity()


def test_a_server_that_moved_keeps_its_answers_when_the_recipe_says_so() -> None:
    old, new = "http://old:8000/v1", "http://new:8001/v1"
    assert identity(base_url=new, answers_of=f"{old}/") == identity(base_url=old)
    assert identity(base_url=new) != identity(base_url=old)


def test_the_name_of_the_key_is_not_in_the_identity() -> None:
    assert identity(api_key_env="TEST_KEY") == identity()
    assert "TEST_KEY" not in identity(api_key_env="TEST_KEY")
