"""What an answer took, as servers tell it in several ways, and that it keeps no key."""

import json
from typing import Any

import pytest

from metaalign_data.errors import TeacherError
from metaalign_data.teacher.openai.reply import read_reply
from teachers import KEY, ask

CHOICE = {"message": {"content": "12345678"}, "finish_reason": "stop"}


def took(usage: dict[str, Any] | None) -> tuple[int, int, int]:
    reply = read_reply(json.dumps({"choices": [CHOICE], "usage": usage}).encode())
    found = reply.completion(ask("1234"), "m").usage
    return found.prompt_tokens, found.completion_tokens, found.cached_tokens


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, (5, 7, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, (5, 7, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 30}, (5, 25, 0)),  # reasoning told apart
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 3}, (5, 7, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}, (5, 7, 4)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 9}}, (5, 7, 5)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": None}, (5, 7, 0)),
        (None, (1, 2, 0)),
        ({"total_tokens": 30}, (1, 2, 0)),
    ],
)
def test_tokens_are_what_the_server_charges_for(usage: dict[str, Any] | None, expected: tuple[int, int, int]) -> None:
    assert took(usage) == expected


@pytest.mark.parametrize(
    ("body", "charged"),
    [
        ({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}, (5, 7)),
        ({"choices": [], "usage": {"prompt_tokens": -5}}, None),
        ({"choices": [], "usage": {}}, None),
        ({"choices": []}, None),
        ([], None),
    ],
)
def test_a_body_without_an_answer_says_what_it_was_charged(body: object, charged: tuple[int, int] | None) -> None:
    with pytest.raises(TeacherError) as caught:
        read_reply(json.dumps(body).encode())
    found = caught.value.charged
    assert (None if found is None else (found.prompt_tokens, found.completion_tokens)) == charged


def test_an_answer_keeps_no_key_and_a_word_that_stands_for_one_stays() -> None:
    body = json.dumps({"choices": [{"message": {"content": f"Bearer {KEY} EMPTY"}}]}).encode()
    assert read_reply(body, KEY).text == "Bearer [redacted] EMPTY"
    assert read_reply(body, "EMPTY").text == f"Bearer {KEY} EMPTY"


def test_half_a_key_at_a_cut_is_not_shown_either() -> None:
    key = "nothing-like-any-other-key"
    body = ("x " * 45 + key + " is no JSON").encode()
    with pytest.raises(TeacherError) as caught:
        read_reply(body, key)
    assert key[:10] not in str(caught.value)
