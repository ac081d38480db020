"""One batch on its way: started once, watched until it has ended, its files read."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from metaalign_data.errors import TeacherError, TeacherUnusable
from metaalign_data.teacher.batch.base import Batches, Job, Line
from metaalign_data.teacher.batch.journal import Entry, Journal
from metaalign_data.teacher.budget import Spending
from metaalign_data.teacher.retry import TRANSIENT, persist

ATTEMPTS = 6


class Carrier:
    """`identity` is the client's; sentences on what went wrong on the way go into `notices`."""

    def __init__(self, batches: Batches, journal: Journal, identity: str, poll_s: float, notices: set[str]) -> None:
        self.batches, self.journal, self.identity, self.poll_s = batches, journal, identity, poll_s
        self.notices = notices
        self._rng = Random(0)

    async def send(self, keys: Sequence[str], lines: bytes, most: Spending) -> Entry:
        """Start a batch of these lines; `keys` are their ledger keys. Raises TeacherError."""
        entry = await self.journal.begin(self.identity, self.batches.fingerprint, keys, most)
        tried = False

        async def start() -> str:
            nonlocal tried
            if tried and (job := await self.batches.find(entry.mark)):  # the answer was lost, the batch was not
                return job.id
            tried = True
            return await self.batches.submit(lines, entry.mark)

        job_id, _ = await persist(start, max_attempts=ATTEMPTS, rng=self._rng)
        await self.journal.sent(entry, job_id)
        return replace(entry, job=job_id)

    async def ended(self, job_id: str) -> Job:
        """The batch once it has ended. A server that is out of reach for hours is waited for.

        Raises TeacherUnusable where the batch can no longer be seen.
        """
        while True:
            try:
                job = await self.batches.look(job_id)
            except TeacherError as e:
                if e.reason not in (*TRANSIENT, "rate_limited"):
                    raise
                self.notices.add(f"batch {job_id}: the server did not always say how it stands")
            else:
                if job is None:
                    raise TeacherUnusable(f"batch {job_id} is gone from the server; the next run says what to do")
                if job.ended:
                    return job
            await asyncio.sleep(self.poll_s)

    async def results(self, job: Job) -> dict[str, Line]:
        """What came of each request, by key. Raises TeacherError."""

        async def read() -> dict[str, Line]:
            return {line.key: line async for line in self.batches.lines(job)}

        found, _ = await persist(read, max_attempts=ATTEMPTS, rng=self._rng)
        return found
