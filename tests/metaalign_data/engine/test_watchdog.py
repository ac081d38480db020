"""Silence is told once, by the name of what everything waits for, and again when it has lasted twice as long."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from metaalign_data.engine.counts import Counts, StageCounts
from metaalign_data.engine.flow import AtWork
from metaalign_data.engine.watchdog import LOOKS, Watchdog
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.trail import trail


@dataclass
class Watched:
    counts: Counts = field(default_factory=lambda: {"judge": StageCounts()})
    at_work: dict[int, AtWork] = field(default_factory=dict)
    at_table: str | None = None


class Clock:
    """Shows how often the watchdog has slept, in its own steps."""

    def __init__(self, after_s: float) -> None:
        self.step_s, self.now_s = after_s / LOOKS, 1000.0

    async def sleep(self, seconds: float) -> None:
        assert seconds == self.step_s
        self.now_s += seconds
        await REAL_SLEEP(0)


REAL_SLEEP = asyncio.sleep


async def watched(
    monkeypatch: pytest.MonkeyPatch,
    run: Watched,
    meter: Meter,
    looks: int,
    move: Callable[[int], None] = lambda _: None,
) -> Watchdog:
    """A watchdog of 40 s that has looked so many times."""
    clock = Clock(40.0)
    dog = Watchdog(run, meter, 40.0, clock=lambda: clock.now_s)
    monkeypatch.setattr("metaalign_data.engine.watchdog.asyncio.sleep", clock.sleep)
    task = asyncio.create_task(dog.watch())
    for i in range(looks):
        move(i)
        await REAL_SLEEP(0)
    task.cancel()
    return dog


async def test_it_names_the_stage_and_the_request_that_hang(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    meter = Meter()
    monkeypatch.setattr("metaalign_data.teacher.meter.time.monotonic", lambda: 995.0)
    with trail("judge, row ab12"), meter.open("judge_pairwise@1f0c"):
        dog = await watched(monkeypatch, Watched(), meter, looks=7)
    said = "no progress for 40 s: judge, row ab12 asked judge_pairwise@1f0c 45 s ago and has no answer"
    assert [message.split(" (")[0] for message in caplog.messages] == [said]
    assert dog.stalled == caplog.messages[0]


async def test_it_says_it_again_each_time_the_silence_has_doubled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await watched(monkeypatch, Watched(at_table="dedup"), Meter(), looks=20)
    assert [message.split(":")[0] for message in caplog.messages] == [
        "no progress for 40 s",
        "no progress for 80 s",
        "no progress for 160 s",
    ]
    assert "stage dedup compares rows" in caplog.text


async def test_it_is_silent_while_rows_end_or_answers_come(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run, meter = Watched(), Meter()

    def move(i: int) -> None:
        if i % 3 == 0:
            run.counts["judge"].taken += 1
        if i % 3 == 2:
            meter.replayed += 1

    dog = await watched(monkeypatch, run, meter, looks=40, move=move)
    assert (caplog.messages, dog.stalled) == ([], "")


@pytest.mark.parametrize(
    ("run", "batched", "said"),
    [
        (Watched(at_work={1: AtWork("own", "ab12", 990.0)}), 0, "stage own has had row ab12 for 50 s"),
        (Watched(), 7, "7 requests wait for a batch"),
        (Watched(), 0, "no row is at work"),
    ],
)
async def test_it_says_what_else_it_may_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, run: Watched, batched: int, said: str
) -> None:
    await watched(monkeypatch, run, Meter(batched=batched), looks=7)
    assert said in caplog.text
