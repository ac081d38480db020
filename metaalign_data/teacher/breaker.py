"""Leaving an endpoint alone that is down, and trying it again now and then."""

import time

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import TeacherDown, TeacherError
from metaalign_data.teacher.base import Teacher

FAILURES = 5
"""In a row, before an endpoint counts as down."""
FIRST_REST_S, LONGEST_REST_S = 5.0, 300.0
"""How long it is left alone: twice as long each time that a trial fails."""
DOWN = ("connection", "server_error", "timeout", "unusable")


class Breaker:
    """Closed while the endpoint answers; open after FAILURES in a row; after a rest one request is let through.

    Its answer closes the breaker, its failure opens it again for twice as long. A 429 is an answer of a kind.
    """

    def __init__(self, inner: Teacher) -> None:
        self.inner = inner
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._open_until: float | None = None
        self._on_trial = False

    @property
    def rests_s(self) -> float:
        """Seconds until a request would be let through; 0 where it would be now."""
        if self._open_until is None:
            return 0.0
        left_s = self._open_until - time.monotonic()
        return max(left_s, FIRST_REST_S / 10 if self._on_trial else 0.0)

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises TeacherDown while the endpoint is left alone, and what `inner` raises."""
        if self.rests_s:
            raise TeacherDown("the endpoint is down; it is tried again in a while")
        self._on_trial = self._open_until is not None
        try:
            completion = await self.inner.complete(request)
        except TeacherError as e:
            self._heard(failed=e.reason in DOWN)
            raise
        finally:
            self._on_trial = False
        self._heard(failed=False)
        return completion

    def _heard(self, *, failed: bool) -> None:
        if not failed:
            self._failures, self._rest_s, self._open_until = 0, FIRST_REST_S, None
            return
        self._failures += 1
        if self._failures < FAILURES and self._open_until is None:
            return
        now = time.monotonic()
        if self._open_until is None or now >= self._open_until:
            self._open_until = now + self._rest_s
            self._rest_s = min(LONGEST_REST_S, 2 * self._rest_s)
