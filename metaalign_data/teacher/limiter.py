"""A bound on requests in flight, a deadline for each, and the pace that the endpoint takes."""

import asyncio

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.pace import Outcome, Pace, Paces
from metaalign_data.teacher.places import Places

CHARS_PER_TOKEN = 4


class Limited:
    """Lets `max_concurrency` requests through at once, as fast as `pace` allows (one of its own where none is given).

    `timeout_s` is the deadline of each, waiting not counted. After a 429 with Retry-After nobody asks the endpoint
    until that time is over: the limit is the account's, not the request's. A longer Retry-After than `longest_pause_s`
    holds nobody up; the one who got it decides what it means.
    """

    def __init__(
        self,
        inner: Teacher,
        max_concurrency: int,
        timeout_s: float,
        meter: Meter,
        longest_pause_s: float,
        pace: Pace | None = None,
    ) -> None:
        self.inner, self.timeout_s, self.meter, self.longest_pause_s = inner, timeout_s, meter, longest_pause_s
        self.pace = pace or Paces().of("", max_concurrency)
        self._slots = Places(max_concurrency)

    async def complete(self, request: ChatRequest) -> Completion:
        """One attempt. Raises TeacherError "timeout" at the deadline, and what the client raises."""
        async with self._slots:
            turn = await self.pace.turn(_tokens(request))
            outcome: Outcome = "failed"
            tokens = 0
            self.meter.in_flight += 1
            try:
                async with asyncio.timeout(self.timeout_s):
                    completion = await self.inner.complete(request)
                outcome, tokens = "answered", completion.usage.prompt_tokens + completion.usage.completion_tokens
                return completion
            except TimeoutError as e:
                outcome = "overloaded"
                raise TeacherError("timeout", f"no answer within {self.timeout_s:g} s (timeout_s)") from e
            except TeacherError as e:
                outcome = "limited" if e.reason == "rate_limited" else "overloaded" if e.overloaded else "failed"
                if e.retry_after_s and outcome != "failed" and e.retry_after_s <= self.longest_pause_s:
                    self.pace.pause(e.retry_after_s)
                raise
            finally:
                self.meter.in_flight -= 1
                self.pace.done(turn, outcome, tokens)


def _tokens(request: ChatRequest) -> float:
    """About what the request takes; corrected by what it took."""
    return sum(len(message.content) for message in request.messages) / CHARS_PER_TOKEN + request.max_tokens
