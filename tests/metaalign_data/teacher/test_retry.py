import pytest

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import BudgetReached, TeacherError, TeacherUnusable
from metaalign_data.teacher import retry
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.retry import Retrying
from mock_openai import MockOpenAI, Reply, mock_openai
from teachers import Telling, answer, ask, asking


class Clock:
    """Sleeps in no time, and remembers for how long."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


def failing(reason: str, times: int = 1, retry_after_s: float | None = None) -> list[Exception]:
    return [TeacherError(reason, "no luck", retry_after_s=retry_after_s) for _ in range(times)]  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", ["server_error", "timeout", "connection"])
async def test_what_may_pass_is_tried_again_as_often_as_allowed(reason: str) -> None:
    teacher, clock, meter = Telling(*failing(reason, 2), answer()), Clock(), Meter()
    completion = await Retrying(teacher, 3, meter, sleep=clock.sleep).complete(ask())
    assert completion.attempts == 3
    assert (meter.asked, meter.retries) == (1, 2)

    teacher = Telling(*failing(reason, 3), answer())
    with pytest.raises(TeacherError, match="no luck") as caught:
        await Retrying(teacher, 3, meter, sleep=clock.sleep).complete(ask())
    assert caught.value.reason == reason
    assert len(teacher.requests) == 3


@pytest.mark.parametrize(
    "error",
    [*failing("bad_request"), *failing("refused"), TeacherUnusable("no"), BudgetReached("no"), ValueError("a bug")],
)
async def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    teacher, clock = Telling(error, answer()), Clock()
    with pytest.raises(type(error)):
        await Retrying(teacher, 6, Meter(), sleep=clock.sleep).complete(ask())
    assert clock.slept_s == []


async def test_a_storm_of_429s_uses_up_no_attempt() -> None:
    storm = failing("rate_limited", 50) + failing("server_error") + failing("rate_limited", 50)
    clock = Clock()
    patient = Retrying(Telling(*storm, answer()), 2, Meter(), deadline_s=3600, sleep=clock.sleep)
    assert (await patient.complete(ask())).attempts == 102
    assert max(clock.slept_s) <= retry.LONGEST_BACKOFF_S


async def test_429s_are_waited_out_for_as_long_as_the_request_may_take() -> None:
    for deadline_s, patience_s in ((3600.0, 3600.0), (None, retry.PATIENCE_S)):
        clock = Clock()
        patient = Retrying(
            Telling(*failing("rate_limited", 1000)), 2, Meter(), deadline_s=deadline_s, sleep=clock.sleep
        )
        with pytest.raises(TeacherError) as caught:
            await patient.complete(ask())
        assert caught.value.reason == "rate_limited"
        assert patience_s - 2 * retry.LONGEST_BACKOFF_S < sum(clock.slept_s) < patience_s


async def test_waiting_for_a_turn_at_a_slow_pace_is_no_patience_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    class Slow(Telling):
        async def complete(self, request: ChatRequest) -> Completion:
            now[0] += 700.0  # three requests a minute, and many before this one
            return await super().complete(request)

    patient = Retrying(Slow(*failing("rate_limited", 3), answer()), 2, Meter(), deadline_s=3600, sleep=Clock().sleep)
    assert (await patient.complete(ask())).attempts == 4


async def test_the_deadline_says_what_the_last_try_came_to() -> None:
    impatient = Retrying(Telling(*failing("server_error", 9)), 9, Meter(), deadline_s=0.05)
    with pytest.raises(TeacherError, match=r"within 0\.05 s \(deadline_s\), all told; no luck") as caught:
        await impatient.complete(ask())
    assert caught.value.reason == "server_error"


async def test_a_server_that_asks_for_hours_ends_the_run() -> None:
    with pytest.raises(TeacherUnusable, match=r"asks to wait 10\.0 hours"):
        await Retrying(Telling(*failing("rate_limited", 1, 36_000)), 2, Meter(), sleep=Clock().sleep).complete(ask())


async def test_waits_double_with_jitter_and_differ() -> None:
    clock = Clock()
    retrying = Retrying(
        Telling(*failing("timeout", 9), answer(), *failing("timeout", 9), answer()), 10, Meter(), sleep=clock.sleep
    )
    await retrying.complete(ask())
    for i, slept_s in enumerate(clock.slept_s):
        full_s = min(retry.LONGEST_BACKOFF_S, retry.FIRST_BACKOFF_S * 2**i)
        assert full_s / 2 <= slept_s <= full_s
    await retrying.complete(ask())
    assert clock.slept_s[:9] != clock.slept_s[9:]


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [(8.0, 8.0, 10.0), (0.0, 0.5, 0.625)])
async def test_retry_after_is_honoured_and_never_a_busy_loop(asked_s: float, least_s: float, most_s: float) -> None:
    clock = Clock()
    teacher = Telling(*failing("rate_limited", 3, asked_s), answer())
    await Retrying(teacher, 2, Meter(), sleep=clock.sleep).complete(ask())
    assert all(least_s <= slept_s <= most_s for slept_s in clock.slept_s)


async def test_a_dropped_connection_is_opened_again(server: MockOpenAI, quick_backoff: None) -> None:
    with mock_openai(drop_rate=0.5, random_seed=3) as server:
        async with asking(server) as teacher:
            retrying = Retrying(teacher, 20, Meter())
            attempts = [(await retrying.complete(ask(str(i)))).attempts for i in range(20)]
    outcomes = [call.outcome for call in server.calls]
    assert outcomes.count("ok") == 20
    assert sum(attempts) == len(outcomes) > 25


async def test_a_real_429_is_waited_out(server: MockOpenAI) -> None:
    clock = Clock()
    server.script.extend([Reply({"error": "slow down"}, status=429, headers={"Retry-After": "2"})] * 3)
    async with asking(server) as teacher:
        completion = await Retrying(teacher, 1, Meter(), sleep=clock.sleep).complete(ask())
    assert completion.attempts == 4
    assert all(2.0 <= slept_s <= 2.5 for slept_s in clock.slept_s)
