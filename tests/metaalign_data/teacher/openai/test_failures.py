"""What comes of an error, whatever its status and the shape of its body."""

import time
from email.utils import formatdate
from typing import Any

import pytest

from metaalign_data.errors import TeacherError, TeacherUnusable
from mock_openai import MockOpenAI, Reply, mock_openai
from teachers import KEY, ask, asking


async def the_error(server: MockOpenAI) -> TeacherError:
    async with asking(server) as teacher:
        with pytest.raises(TeacherError) as caught:
            await teacher.complete(ask())
    return caught.value


@pytest.mark.parametrize(
    "body", [b"<html>a proxy's page</html>", b'{"choices": []}', b'{"choices": null}', b"[1]", b"", b"[" * 100_000]
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_a_200_that_is_no_completion_is_a_server_error(
    server: MockOpenAI, body: bytes, content_type: str
) -> None:
    server.script.append(Reply(body, content_type=content_type))
    error = await the_error(server)
    assert error.reason == "server_error"
    assert "no chat completion" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, {"error": {"message": "too long"}}, "bad_request"),
        (400, {"error": {"code": "content_filter", "message": "no"}}, "refused"),
        (401, {"error": {"message": "bad key"}}, "unusable"),
        (402, {"error": "Insufficient Balance"}, "unusable"),
        (403, {"detail": "Forbidden"}, "unusable"),
        (403, {"error": {"message": "your input was flagged by moderation"}}, "refused"),
        (404, {"error": {"message": "no such model"}}, "unusable"),
        (408, {}, "timeout"),
        (409, {}, "server_error"),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "bad"}]}, "bad_request"),
        (429, {"error": {"message": "slow down"}}, "rate_limited"),
        (429, {"error": {"message": "quota", "code": "insufficient_quota"}}, "unusable"),
        (500, {"error": "oops"}, "server_error"),
        (503, b"<html>busy</html>", "server_error"),
    ],
)
async def test_each_status_has_its_reason(server: MockOpenAI, status: int, body: Any, reason: str) -> None:
    server.script.append(Reply(body, status=status))
    error = await the_error(server)
    assert error.reason == reason
    assert isinstance(error, TeacherUnusable) == (reason == "unusable")
    assert f"HTTP {status}" in str(error)
    assert len(server.calls) == 1


@pytest.mark.parametrize("shape", ["openai", "text", "detail", "validation", "message", "plain", "html"])
async def test_the_words_of_an_error_are_found_in_every_shape(shape: str) -> None:
    with mock_openai(error_shape=shape, always_500_if="hello") as server:
        error = await the_error(server)
    assert error.reason == "server_error"
    assert "this request always fails" in str(error)
    assert not set("<{[") & set(str(error))


async def test_an_error_without_a_body_still_names_its_status() -> None:
    with mock_openai(error_shape="empty", error_rate=1.0) as server:
        assert str(await the_error(server)) == "HTTP 500: no message"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_read_in_every_form(
    server: MockOpenAI, headers: dict[str, str], seconds: float | None
) -> None:
    server.script.append(Reply({"error": "slow down"}, status=429, headers=headers))
    error = await the_error(server)
    assert error.retry_after_s == (None if seconds is None else pytest.approx(seconds))


async def test_retry_after_may_be_a_date(server: MockOpenAI) -> None:
    headers = {"Retry-After": formatdate(time.time() + 3600, usegmt=True)}
    server.script.append(Reply({"error": "slow down"}, status=429, headers=headers))
    assert (await the_error(server)).retry_after_s == pytest.approx(3600.0, abs=120)


async def test_a_dropped_connection_has_its_reason() -> None:
    with mock_openai(drop_rate=1.0) as server:
        assert (await the_error(server)).reason == "connection"


async def test_a_server_that_is_not_there_has_its_reason(server: MockOpenAI) -> None:
    async with asking(server, base_url="http://127.0.0.1:9/v1") as teacher:
        with pytest.raises(TeacherError, match=r"127\.0\.0\.1:9") as caught:
            await teacher.complete(ask())
    assert caught.value.reason == "connection"


async def test_no_key_shows_up_in_an_error() -> None:
    with mock_openai(api_key="another") as server:
        error = await the_error(server)
    assert error.reason == "unusable"
    assert "Incorrect API key" in str(error)
    assert KEY not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_the_key_in_use_is_redacted_whatever_it_looks_like(
    server: MockOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "swordfish")
    server.script.append(Reply({"error": "swordfish is wrong"}, status=500))
    assert str(await the_error(server)) == "HTTP 500: [redacted] is wrong"


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcdef123", "Bearer eyJhbGciOi.J9", "hf_AbCdEf", "0123456789abcdef0123456789abcdef", "AIza" + "Sy4x" * 9],
)
async def test_what_looks_like_a_key_is_redacted(server: MockOpenAI, secret: str) -> None:
    server.script.append(Reply({"error": {"message": f"key {secret} is wrong"}}, status=500))
    message = str(await the_error(server))
    assert secret.split()[-1] not in message
    assert "[redacted]" in message
    assert "is wrong" in message
