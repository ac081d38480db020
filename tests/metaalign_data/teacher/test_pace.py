import asyncio
import time

import pytest

from metaalign_data.chat import ChatRequest
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.limiter import Limited
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.pace import Pace, Paces, Quota
from metaalign_data.teacher.retry import Retrying
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.stack import paced
from metaalign_data.teacher.window import Window
from mock_openai import MockOpenAI, Reply, mock_openai
from teachers import ask, asking


async def turns(pace: Pace, n: int, tokens: float = 1.0) -> float:
    """Seconds for `n` requests that each end at once."""
    start_s = time.monotonic()
    for _ in range(n):
        turn = await pace.turn(tokens)
        pace.done(turn, "answered", int(tokens))
    return time.monotonic() - start_s


async def test_two_stacks_at_one_endpoint_share_its_limits() -> None:
    with mock_openai(latency_ms=30) as server:
        async with asking(server) as one, asking(server, top_p=0.5) as two:
            paces = Paces()
            pace = paced(one, TeacherSettings(max_concurrency=3), 3, paces)
            assert paced(two, TeacherSettings(max_concurrency=3), 3, paces) is pace
            both = [Limited(each, 3, 5.0, Meter(), 1.0, pace) for each in (one, two)]
            await asyncio.gather(*(both[i % 2].complete(ask(str(i))) for i in range(12)))
    assert server.peak == 3


async def test_another_model_has_limits_of_its_own(server: MockOpenAI) -> None:
    async with asking(server) as one, asking(server, model="other") as two:
        paces, settings = Paces(), TeacherSettings()
        assert paced(one, settings, 3, paces) is not paced(two, settings, 3, paces)


@pytest.mark.parametrize(
    ("limits", "tokens", "least_s"),
    [({"requests_per_minute": 1200.0}, 1.0, 0.4), ({"tokens_per_minute": 6000.0}, 100.0, 18.9)],
)
async def test_the_recipes_limits_are_held(limits: dict[str, float], tokens: float, least_s: float) -> None:
    pace = Pace(Window(64))
    pace.limit(**{"requests_per_minute": None, "tokens_per_minute": None} | limits)
    if least_s > 1:  # ten seconds' worth at once, then it waits
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await turns(pace, 29, tokens)
    else:
        assert await turns(pace, 29, tokens) >= least_s


async def test_what_the_server_says_is_left_is_not_overdrawn() -> None:
    pace = Pace(Window(64))
    pace.told((Quota("requests", 100, 2, 4.9),))  # 20 a second come back
    assert await turns(pace, 7) >= 0.15


async def test_headers_reach_the_pace(server: MockOpenAI) -> None:
    told = {"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "0"}
    server.script.append(Reply("hi", headers=told | {"x-ratelimit-reset-requests": "2s"}))
    async with asking(server) as teacher:
        pace = paced(teacher, TeacherSettings(), 8, Paces())
        limited = Limited(teacher, 8, 5.0, Meter(), 1.0, pace)
        await limited.complete(ask("first"))
        start_s = time.monotonic()
        await limited.complete(ask("second"))
    assert time.monotonic() - start_s >= 0.15


async def test_a_server_with_too_much_to_do_is_given_less(server: MockOpenAI) -> None:
    server.script.append(Reply({"error": "overloaded"}, status=503))
    async with asking(server) as teacher:
        pace = paced(teacher, TeacherSettings(), 64, Paces())
        before = pace.window.size
        with pytest.raises(TeacherError):
            await Limited(teacher, 64, 5.0, Meter(), 1.0, pace).complete(ask())
    assert pace.window.size == before / 2


async def test_who_gives_up_waiting_leaves_the_turn_to_others() -> None:
    pace = Pace(Window(1))
    first = await pace.turn(1)
    impatient, patient = asyncio.create_task(pace.turn(1)), asyncio.create_task(pace.turn(1))
    await asyncio.sleep(0)
    impatient.cancel()
    pace.done(first, "answered", 1)
    async with asyncio.timeout(1):
        pace.done(await patient, "answered", 1)
    assert pace.in_flight == 0


async def test_who_is_cancelled_with_a_turn_in_hand_gives_it_back() -> None:
    pace = Pace(Window(1))
    first = await pace.turn(1)
    second = asyncio.create_task(pace.turn(1))
    await asyncio.sleep(0)
    pace.done(first, "answered", 1)  # grants it to the second, which has not run yet
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert pace.in_flight == 0


class Hanging:
    async def complete(self, request: ChatRequest) -> None:
        await asyncio.sleep(60)


async def test_a_request_has_a_deadline_over_all_its_tries() -> None:
    limited = Limited(Hanging(), 1, 0.05, Meter(), 1.0)  # type: ignore[arg-type]
    with pytest.raises(TeacherError, match=r"deadline_s") as caught:
        await Retrying(limited, 1000, Meter(), deadline_s=0.3).complete(ask())
    assert caught.value.reason == "timeout"
