import pytest

from metaalign_data.errors import TeacherUnusable
from mock_openai import MockOpenAI, Reply
from teachers import KEY, ask, asking


async def test_a_redirect_is_not_followed_and_told(server: MockOpenAI) -> None:
    server.script.append(Reply("", status=307, headers={"Location": "http://127.0.0.1:9/v1/chat/completions"}))
    async with asking(server) as teacher:
        with pytest.raises(TeacherUnusable, match=r"sends elsewhere, to http://127\.0\.0\.1:9/v1") as caught:
            await teacher.complete(ask())
    assert KEY not in str(caught.value)


async def test_connections_are_kept_and_a_closed_teacher_can_be_asked_again(server: MockOpenAI) -> None:
    async with asking(server) as teacher:
        for i in range(3):
            await teacher.complete(ask(str(i)))
        await teacher.aclose()
        assert (await teacher.complete(ask("again"))).text
    assert server.answered == 4


async def test_what_utf8_cannot_hold_does_not_stop_a_request(server: MockOpenAI) -> None:
    async with asking(server) as teacher:
        assert (await teacher.complete(ask("naïve ☃ 字"))).text
    assert server.calls[0].body["messages"][0]["content"] == "naïve ☃ 字"
