"""Which failures are worth another try, how many, and how long to wait before it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import TeacherDown, TeacherError, TeacherUnusable
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.meter import Meter

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

TRANSIENT = ("server_error", "timeout", "connection")
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
PATIENCE_S = 600.0
"""How long a Retry-After may be: beyond that a quota is used up. With no deadline, 429s are put up with for as long."""


@dataclass
class _Course:
    """How one request fares: failures, which count against `max_attempts`, and 429s, which do not."""

    max_attempts: int
    patience_s: float
    rng: Random
    failures: int = 0
    limited: int = 0
    limited_wait_s: float = 0.0
    wait_s: float = 0.0

    @property
    def tries(self) -> int:
        """The one that is under way included."""
        return self.failures + self.limited + 1

    def again(self, error: TeacherError) -> bool:
        """Whether to try once more after `error`; `wait_s` says in how many seconds."""
        if isinstance(error, TeacherDown):
            return False
        if error.reason == "rate_limited":
            self.limited += 1
            self.wait_s = self._delay_s(self.limited, error.retry_after_s)
            self.limited_wait_s += self.wait_s
            return self.limited_wait_s < self.patience_s
        self.failures += 1
        self.wait_s = self._delay_s(self.failures, error.retry_after_s)
        return error.reason in TRANSIENT and self.failures < self.max_attempts

    def _delay_s(self, tries: int, asked_s: float | None) -> float:
        """What the server asked for, or an exponential backoff; with jitter, so that not all return in one instant."""
        if asked_s is not None:
            return max(asked_s, FIRST_BACKOFF_S) * self.rng.uniform(1.0, 1.25)
        return min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(tries - 1, 16)) * self.rng.uniform(0.5, 1.0)


async def persist(
    call: Callable[[], Awaitable[T]],
    *,
    max_attempts: int,
    rng: Random,
    patience_s: float = PATIENCE_S,
    sleep: Sleep = asyncio.sleep,
) -> tuple[T, int]:
    """The result of `call` and how many tries it took.

    Server errors, time-outs and dropped connections are tried `max_attempts` times, all else once. 429s do not count;
    they are waited out for `patience_s` in all, and only what was waited because of them counts: at a slow pace, a turn
    may be long in coming. Raises the last error; TeacherUnusable where the server asks for more than PATIENCE_S.
    """
    course = _Course(max_attempts, patience_s, rng)
    while True:
        try:
            return await call(), course.tries
        except TeacherError as e:
            if e.retry_after_s is not None and e.retry_after_s > PATIENCE_S:
                wait = f"{e.retry_after_s / 3600:.1f} hours"
                raise TeacherUnusable(f"the server asks to wait {wait}: {e}; run the same recipe again then") from e
            if not course.again(e):
                raise
        await sleep(course.wait_s)


class Retrying:
    """Asks `inner` until it answers or another try makes no sense, at most for `deadline_s` in all.

    `sleep` waits for a number of seconds.
    """

    def __init__(
        self,
        inner: Teacher,
        max_attempts: int,
        meter: Meter,
        *,
        deadline_s: float | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.inner, self.max_attempts, self.meter, self._sleep = inner, max_attempts, meter, sleep
        self.deadline_s = deadline_s
        self._rng = Random(0)

    async def complete(self, request: ChatRequest) -> Completion:
        """The answer, with the number of attempts. Raises what `persist` raises, at the deadline the last failure."""
        self.meter.asked += 1
        last: TeacherError | None = None

        async def wait(seconds: float) -> None:
            self.meter.retries += 1
            await self._sleep(seconds)

        async def attempt() -> Completion:
            nonlocal last
            try:
                return await self.inner.complete(request)
            except TeacherError as e:
                if last is None and isinstance(e, TeacherDown):
                    self.meter.asked -= 1  # nothing was sent
                last = e
                raise

        patience_s = PATIENCE_S if self.deadline_s is None else self.deadline_s
        try:
            async with asyncio.timeout(self.deadline_s):
                completion, attempts = await persist(
                    attempt, max_attempts=self.max_attempts, rng=self._rng, patience_s=patience_s, sleep=wait
                )
        except TimeoutError as e:
            said = f"no answer within {self.deadline_s:g} s (deadline_s), all told"
            raise TeacherError(last.reason if last else "timeout", f"{said}; {last}" if last else said) from e
        return completion if attempts == 1 else completion.model_copy(update={"attempts": attempts})
