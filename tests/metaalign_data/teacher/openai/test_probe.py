"""What a server honours, and what is done with the knowledge."""

from typing import Any

import pytest

from metaalign_data.answers import PreferenceText
from metaalign_data.errors import TeacherUnusable
from mock_openai import MockOpenAI, mock_openai
from teachers import ask, asking


@pytest.mark.parametrize(
    ("faults", "facts"),
    [
        ({}, {"structured_output": "json_schema", "n": True, "seed": None, "logprobs": True}),
        (
            {"json_schema": "ignore", "n": "ignore", "seed": "ignore", "logprobs": "ignore"},
            {"structured_output": "json_object", "n": False, "seed": False, "logprobs": False},
        ),
        (
            {"json_schema": "ignore", "json_object": "refuse", "n": "refuse", "seed": "honour", "logprobs": "refuse"},
            {"structured_output": "text", "n": False, "seed": True, "logprobs": False},
        ),
        (
            {"max_tokens": "refuse"},
            {
                "structured_output": "json_schema",
                "n": True,
                "seed": None,
                "logprobs": True,
                "limit_key": "max_completion_tokens",
            },
        ),
        ({"always_500_if": "hello"}, {}),
    ],
)
async def test_a_probe_finds_what_is_honoured_ignored_or_refused(
    faults: dict[str, Any], facts: dict[str, object], quick_backoff: None
) -> None:
    with mock_openai(**faults) as server:
        async with asking(server) as teacher:
            assert await teacher.probe() == facts


async def test_a_probe_gets_past_passing_faults(quick_backoff: None) -> None:
    with mock_openai(error_rate=0.2, random_429_rate=0.2, random_seed=1) as server:
        async with asking(server) as teacher:
            assert (await teacher.probe())["structured_output"] == "json_schema"


async def test_a_probe_of_a_server_that_refuses_everything_says_so() -> None:
    with mock_openai(api_key="another") as server:
        async with asking(server) as teacher:
            with pytest.raises(TeacherUnusable, match="refuses the key"):
                await teacher.probe()


async def test_what_was_found_out_before_is_not_asked_again(server: MockOpenAI) -> None:
    async with asking(server) as teacher:
        teacher.remember({"structured_output": "json_object", "n": False, "seed": None, "logprobs": True})
        await teacher.complete(ask().expecting(PreferenceText))
        assert teacher.notices == {
            "mock-model: the server does not honour json_schema",
            "mock-model: the server does not honour n",
        }
    assert [call.body["response_format"]["type"] for call in server.calls] == ["json_object"]


@pytest.mark.parametrize("facts", [{}, {"structured_output": "smoke signals"}, {"structured_output": None}])
async def test_facts_that_say_nothing_change_nothing(server: MockOpenAI, facts: dict[str, object]) -> None:
    async with asking(server) as teacher:
        teacher.remember(facts)
        await teacher.complete(ask().expecting(PreferenceText))
        assert teacher.notices == set()
    assert [call.body["response_format"]["type"] for call in server.calls] == ["json_schema"]
