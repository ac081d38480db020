"""When the next request may go to one endpoint: the one place that knows its limits, whoever asks it."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from metaalign_data.teacher.rate import Bucket, LearntRate
from metaalign_data.teacher.window import START, Window

Outcome = Literal["answered", "limited", "overloaded", "failed"]
LEAST_WAIT_S = 0.001


@dataclass(frozen=True)
class Quota:
    """What a server says is left of a limit, of how much, and in how many seconds all of it is there again."""

    of: Literal["requests", "tokens"]
    limit: float
    remaining: float
    reset_s: float


@dataclass
class _Turn:
    """One request that waits or is under way."""

    tokens: float
    granted: asyncio.Future[None]
    sent_at: float = 0.0


@dataclass
class Pace:
    """Grants turns in the order of asking, as many and as fast as the endpoint takes them.

    Bounded by a window that follows how the server copes, a rate that its 429s teach, the quotas that it tells in its
    answers, and the recipe's requests and tokens a minute.
    """

    window: Window
    rate: LearntRate = field(default_factory=LearntRate)
    in_flight: int = 0
    _waiting: deque[_Turn] = field(default_factory=deque)
    _minute: dict[str, Bucket] = field(default_factory=dict)
    _told: dict[str, Bucket] = field(default_factory=dict)
    _open_at: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def limit(self, *, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        """What the recipe allows; of several stacks at one endpoint the strictest counts."""
        now = time.monotonic()
        for of, most in (("requests", requests_per_minute), ("tokens", tokens_per_minute)):
            per_s = (most or 0.0) / 60
            if per_s and (of not in self._minute or per_s < self._minute[of].per_s):
                burst = max(1.0, per_s) if of == "requests" else 10 * per_s
                self._minute[of] = Bucket(per_s, burst, now)

    def told(self, quotas: tuple[Quota, ...]) -> None:
        """The server said so in an answer. Requests under way may not be counted in it: they are taken off."""
        now = time.monotonic()
        for quota in quotas:
            refill_per_s = (quota.limit - quota.remaining) / quota.reset_s if quota.reset_s > 0 else quota.limit
            level = quota.remaining - (self.in_flight - 1 if quota.of == "requests" else 0)
            self._told[quota.of] = Bucket(max(refill_per_s, 1e-3), quota.limit, now, level=level)

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long."""
        self._open_at = max(self._open_at, time.monotonic() + seconds)

    async def turn(self, tokens: float) -> _Turn:
        """Wait for one's turn, for a request of about so many tokens; `done` has to follow."""
        turn = _Turn(tokens, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self._grant()
        try:
            await turn.granted
        except asyncio.CancelledError:
            if turn.granted.done() and not turn.granted.cancelled():
                self.done(turn, "failed", 0)
            raise
        return turn

    def done(self, turn: _Turn, outcome: Outcome, tokens: int) -> None:
        """The request has ended; an answer took so many tokens in all."""
        now = time.monotonic()
        full = self.in_flight >= int(self.window.size)
        self.in_flight -= 1
        if outcome == "answered":
            self.window.answered(turn.sent_at, now, tokens, full=full)
            self.rate.floor = self.window.size / (4 * max(self.window.mean_s, 1e-3))
            for buckets in (self._minute, self._told):
                if "tokens" in buckets:
                    buckets["tokens"].take(tokens - turn.tokens)
        elif outcome == "limited":
            self.rate.limited(turn.sent_at, now)
        elif outcome == "overloaded":
            self.window.overloaded(turn.sent_at, now)
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            turn = self._waiting[0]
            if turn.granted.cancelled():
                self._waiting.popleft()
                continue
            if self.in_flight >= int(self.window.size):
                return
            now = time.monotonic()
            if (wait_s := self._wait_s(turn, now)) > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(max(wait_s, LEAST_WAIT_S), self._again)
                return
            self._waiting.popleft()
            self.in_flight += 1
            turn.sent_at = now
            self.rate.sent(now)
            for bucket, needed in self._buckets(turn):
                bucket.take(needed)
            turn.granted.set_result(None)

    def _again(self) -> None:
        self._timer = None
        self._grant()

    def _wait_s(self, turn: _Turn, now: float) -> float:
        wait_s = max(self._open_at - now, self.rate.delay_s(now), 0.0)
        for bucket, needed in self._buckets(turn):
            wait_s = max(wait_s, bucket.delay_s(needed, now))
        return wait_s

    def _buckets(self, turn: _Turn) -> Iterator[tuple[Bucket, float]]:
        for buckets in (self._minute, self._told):
            for of, bucket in buckets.items():
                yield bucket, (1.0 if of == "requests" else turn.tokens)


@dataclass
class Paces:
    """The pace of each endpoint, shared by all who ask it."""

    _by_endpoint: dict[str, Pace] = field(default_factory=dict)

    def of(self, endpoint: str, ceiling: int) -> Pace:
        """The pace of this endpoint; its ceiling is the highest that anybody who asks it gives."""
        pace = self._by_endpoint.setdefault(endpoint, Pace(Window(ceiling)))
        if ceiling > pace.window.ceiling:
            pace.window.ceiling = ceiling
            pace.window.size = max(pace.window.size, float(min(ceiling, START)))
        return pace
