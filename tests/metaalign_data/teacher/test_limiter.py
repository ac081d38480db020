import asyncio
import time

import pytest

from metaalign_data.errors import TeacherError
from metaalign_data.teacher.limiter import Limited
from metaalign_data.teacher.meter import Meter
from mock_openai import MockOpenAI, Reply, mock_openai
from teachers import Telling, answer, ask, asking


async def test_no_more_requests_are_in_flight_than_allowed() -> None:
    meter = Meter()
    with mock_openai(latency_ms=30) as server:
        async with asking(server) as teacher:
            limited = Limited(teacher, 4, 5.0, meter, 1.0)
            asked = [asyncio.create_task(limited.complete(ask(str(i)))) for i in range(20)]
            await asyncio.sleep(0.01)
            assert meter.in_flight == 4
            await asyncio.gather(*asked)
    assert server.peak == 4
    assert meter.in_flight == 0


async def test_a_server_that_hangs_is_given_up_at_the_deadline() -> None:
    meter = Meter()
    with mock_openai(hang_rate=1.0) as server:
        async with asking(server) as teacher:
            with pytest.raises(TeacherError, match=r"no answer within 0\.1 s") as caught:
                await Limited(teacher, 1, 0.1, meter, 1.0).complete(ask())
    assert caught.value.reason == "timeout"
    assert meter.in_flight == 0


async def test_waiting_for_a_slot_does_not_count_towards_the_deadline() -> None:
    with mock_openai(latency_ms=200) as server:
        async with asking(server) as teacher:
            limited = Limited(teacher, 1, 1.0, Meter(), 1.0)
            await asyncio.gather(*(limited.complete(ask(str(i))) for i in range(6)))
    assert server.answered == 6


async def test_a_429_with_retry_after_holds_everybody_up(server: MockOpenAI) -> None:
    server.script.append(Reply({"error": "slow down"}, status=429, headers={"Retry-After": "0.3"}))
    async with asking(server) as teacher:
        limited = Limited(teacher, 4, 5.0, Meter(), 1.0)
        with pytest.raises(TeacherError):
            await limited.complete(ask())
        limited_at = time.monotonic()
        await asyncio.gather(*(limited.complete(ask(str(i))) for i in range(3)))
    assert time.monotonic() - limited_at >= 0.3


@pytest.mark.parametrize("retry_after_s", [None, 3600.0])
async def test_a_429_without_a_sensible_time_holds_up_only_its_own_request(retry_after_s: float | None) -> None:
    limited = Limited(
        Telling(TeacherError("rate_limited", "", retry_after_s=retry_after_s), answer()), 1, 5.0, Meter(), 1.0
    )
    with pytest.raises(TeacherError):
        await limited.complete(ask())
    async with asyncio.timeout(0.2):
        await limited.complete(ask())
