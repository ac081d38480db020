"""A bound on requests in flight, a deadline for each, and one pause for all when the server says stop."""

import asyncio
import time

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.meter import Meter


class Limited:
    """Lets `max_concurrency` requests through at once; `timeout_s` is the deadline of each, waiting not counted.

    After a 429 with Retry-After nobody asks until that time is over: the limit is the account's, not the request's.
    A longer Retry-After than `longest_pause_s` holds nobody up; the one who got it decides what it means.
    """

    def __init__(
        self, inner: Teacher, max_concurrency: int, timeout_s: float, meter: Meter, longest_pause_s: float
    ) -> None:
        self.inner, self.timeout_s, self.meter, self.longest_pause_s = inner, timeout_s, meter, longest_pause_s
        self._slots = asyncio.Semaphore(max_concurrency)
        self._open_at = 0.0

    async def complete(self, request: ChatRequest) -> Completion:
        """One attempt. Raises TeacherError "timeout" at the deadline, and what the client raises."""
        async with self._slots:
            while (pause_s := self._open_at - time.monotonic()) > 0:  # noqa: ASYNC110  it can grow meanwhile
                await asyncio.sleep(pause_s)
            self.meter.in_flight += 1
            try:
                async with asyncio.timeout(self.timeout_s):
                    return await self.inner.complete(request)
            except TimeoutError as e:
                raise TeacherError("timeout", f"no answer within {self.timeout_s:g} s (timeout_s)") from e
            except TeacherError as e:
                if e.reason == "rate_limited" and e.retry_after_s and e.retry_after_s <= self.longest_pause_s:
                    self._open_at = max(self._open_at, time.monotonic() + e.retry_after_s)
                raise
            finally:
                self.meter.in_flight -= 1
