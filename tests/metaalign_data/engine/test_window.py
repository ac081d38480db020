import asyncio
from collections.abc import Callable

import pytest

from metaalign_data.engine import window
from metaalign_data.engine.window import Window


async def fed(size: int, n: int, seconds: Callable[[int], float]) -> tuple[list[int], int]:
    """The results in the order in which they were taken, and how many were at work at once at most."""
    taken: list[int] = []
    now = peak = 0
    work = Window[int](size)

    async def one(i: int) -> int:
        nonlocal now, peak
        now += 1
        peak = max(peak, now)
        await asyncio.sleep(seconds(i))
        now -= 1
        return i

    for i in range(n):
        await work.room()
        taken += [task.result() for task in work.ended()]
        work.put(one(i))
    await work.rest()
    taken += [task.result() for task in work.ended()]
    return taken, peak


async def test_results_come_in_order_and_no_more_are_at_work_than_the_window_holds() -> None:
    taken, peak = await fed(5, 40, lambda i: 0.01 if i % 7 == 0 else 0.001)
    assert taken == list(range(40))
    assert peak == 5


async def test_one_that_takes_long_does_not_hold_up_the_others_until_too_many_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "AHEAD", 10)
    work, slow, started = Window[int](2), asyncio.Event(), []

    async def one(i: int) -> int:
        started.append(i)
        if i == 0:
            await slow.wait()
        return i

    async def feed() -> None:
        for i in range(30):
            await work.room()
            work.put(one(i))

    feeding = asyncio.create_task(feed())
    await asyncio.sleep(0.05)
    assert len(started) == 12
    feeding.cancel()
    await work.cancel()


async def test_cancelling_ends_what_is_at_work() -> None:
    work, ended = Window[None](2), []

    async def one() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    for _ in range(2):
        await work.room()
        work.put(one())
    await asyncio.sleep(0)
    await work.cancel()
    assert ended == [True, True]
