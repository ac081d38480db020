"""Says when nothing moves any more, and what it is that everything waits for."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from metaalign_data.engine.counts import Counts
from metaalign_data.engine.flow import AtWork
from metaalign_data.teacher.meter import Meter

LOG = logging.getLogger(__name__)
LOOKS = 4
"""How often it looks in the time after which it speaks."""


class Watched(Protocol):
    """A runner, as far as the watchdog looks at it."""

    counts: Counts
    at_work: dict[int, AtWork]
    at_table: str | None


@dataclass
class Watchdog:
    """Looks at a run until it is cancelled. `stalled` is what it found, "" while things move."""

    watched: Watched
    meter: Meter
    after_s: float
    clock: Callable[[], float] = time.monotonic
    stalled: str = ""

    async def watch(self) -> None:
        """Log a warning once nothing has moved for `after_s` seconds, and again each time that has doubled."""
        seen, since_s, silence_s = self._state(), self.clock(), self.after_s
        while True:
            await asyncio.sleep(self.after_s / LOOKS)
            if (now := self._state()) != seen:
                seen, since_s, silence_s, self.stalled = now, self.clock(), self.after_s, ""
            elif (idle_s := self.clock() - since_s) >= silence_s:
                silence_s *= 2
                self.stalled = f"no progress for {idle_s:.0f} s: {self._waiting_for()}"
                LOG.warning(self.stalled)

    def _state(self) -> tuple[int, ...]:
        """Anything that changes when an answer comes or a row ends."""
        m = self.meter
        return (*(c.taken for c in self.watched.counts.values()), m.replayed, m.prompt_tokens, m.completion_tokens)

    def _waiting_for(self) -> str:
        if self.meter.batched:
            return f"{self.meter.batched} requests wait for a batch"
        if request := self.meter.longest_open:
            n = self.meter.open_requests
            wait_s = self.clock() - request.since_s
            return (
                f"{request.asker} asked {request.prompt} {wait_s:.0f} s ago and has no answer ({n} requests are open)"
            )
        if self.watched.at_table:
            return f"stage {self.watched.at_table} compares rows"
        if row := next(iter(self.watched.at_work.values()), None):
            return f"stage {row.stage} has had row {row.row_id} for {self.clock() - row.since_s:.0f} s"
        return "no row is at work; the queries are being read, or files written"
