"""A client that gathers what is asked at the same time, and asks it as a batch."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import MetaalignError, TeacherError, TeacherUnusable
from metaalign_data.teacher.batch.adopted import Adoption
from metaalign_data.teacher.batch.base import Batching, Job, Line
from metaalign_data.teacher.batch.carrier import Carrier
from metaalign_data.teacher.batch.journal import Entry, Journal
from metaalign_data.teacher.budget import Spending, spending_of, upper_bound
from metaalign_data.teacher.expenses import Account
from metaalign_data.teacher.ledger import ledger_key
from metaalign_data.teacher.settings import BatchSettings

ENDPOINT = "/v1/chat/completions"
TOO_MUCH = "token_limit_exceeded"
"""The code of a batch that was refused because more is queued already than the account may."""


@dataclass
class _Asked:
    """A request on its way, the body that stands in its line, and who waits."""

    request: ChatRequest
    body: dict[str, Any]
    line: bytes
    answer: asyncio.Future[Completion]


class Batched:
    """`complete` waits for the batch that its request goes into: minutes, or a day.

    A line that failed or expired raises a TeacherError that is worth another try, so that the layers above ask it
    again, in a later batch.
    """

    def __init__(self, inner: Batching, settings: BatchSettings, account: Account) -> None:
        self.inner, self.settings, self.account = inner, settings, account
        self.notices, self.expenses = inner.notices, inner.expenses
        self.carrier = Carrier(
            inner.batches, Journal(account.ledger), inner.identity, settings.poll_s, notices=inner.notices
        )
        self.adoption = Adoption(self.carrier, account)
        self._gathered: dict[str, _Asked] = {}
        self._gathered_bytes = 0
        self._quiet: asyncio.TimerHandle | None = None
        self._carrying: dict[asyncio.Task[None], dict[str, _Asked]] = {}
        self._sending: set[asyncio.Task[Entry]] = set()
        self._landed: list[tuple[Entry, list[str]]] = []
        self._left: Exception | None = None

    @property
    def model(self) -> str:
        return self.inner.model

    @property
    def identity(self) -> str:
        return self.inner.identity

    def check(self) -> Sequence[str]:
        return self.inner.check()

    async def probe(self) -> dict[str, object]:
        return await self.inner.probe()

    def remember(self, facts: dict[str, object]) -> None:
        self.inner.remember(facts)

    async def complete(self, request: ChatRequest) -> Completion:
        """One line of one batch. Raises TeacherError, and the reason of `leave` after that."""
        if self._left:
            raise self._left.with_traceback(None)
        key = ledger_key(self.identity, request)
        asked = self._gathered.get(key) or self._gather(key, request)
        self.account.meter.batched += 1
        try:
            return await asyncio.shield(asked.answer)
        finally:
            self.account.meter.batched -= 1

    def leave(self, reason: Exception) -> None:
        """Wait no longer for what is pending: whoever does gets `reason`. The next run fetches the answers."""
        self._left = reason
        self.adoption.leave(reason)
        for batch in (self._gathered, *self._carrying.values()):
            _fail(batch, reason)
        self._gathered = {}
        for task in self._carrying:
            task.cancel()

    async def aclose(self) -> None:
        if self._quiet:
            self._quiet.cancel()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, *self._sending, return_exceptions=True)
        await self.adoption.close()
        await self._forget_kept()
        await self.inner.aclose()

    def _gather(self, key: str, request: ChatRequest) -> _Asked:
        body = self.inner.batches.body(request)
        line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
        written = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        if self._gathered_bytes + len(written) > self.settings.max_megabytes * 1e6 and self._gathered:
            self._dispatch()
        asked = _Asked(request, body, written, asyncio.get_running_loop().create_future())
        self._gathered[key] = asked
        self._gathered_bytes += len(written)
        if len(self._gathered) >= self.settings.max_requests:
            self._dispatch()
        else:
            if self._quiet:
                self._quiet.cancel()
            self._quiet = asyncio.get_running_loop().call_later(self.settings.quiet_s, self._dispatch)
        return asked

    def _dispatch(self) -> None:
        batch, self._gathered, self._gathered_bytes = self._gathered, {}, 0
        if self._quiet:
            self._quiet.cancel()
        if batch:
            task = asyncio.create_task(self._carry(batch))
            self._carrying[task] = batch
            task.add_done_callback(self._carrying.pop)

    async def _carry(self, batch: dict[str, _Asked]) -> None:
        """Send a batch, wait for it, and tell everybody what came of their line."""
        try:
            await self._forget_kept()
            entry = await self._send(batch)
            job = await self.carrier.ended(entry.job)
            if job.status == "failed":
                await self.carrier.journal.drop(entry)
                if TOO_MUCH in job.errors and (len(batch) > 1 or len(self._carrying) > 1):
                    await self._carry_in_halves(batch)
                    return
                raise TeacherUnusable(f"the server refuses the batch: {job.errors}")
            lines = await self.carrier.results(job)
        except MetaalignError as e:
            _fail(batch, e)
            return
        self._landed.append((entry, [key for key, asked in batch.items() if self._tell(asked, lines.get(key), job)]))

    async def _carry_in_halves(self, batch: dict[str, _Asked]) -> None:
        """One after the other, and later: an account may have only so many tokens queued."""
        await asyncio.sleep(self.settings.poll_s)
        keys = list(batch)
        for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
            if half:
                await self._carry({key: batch[key] for key in half})

    async def _send(self, batch: dict[str, _Asked]) -> Entry:
        """A batch that is being sent is sent to the end, and noted, even when nobody waits for it any more."""
        most = sum((self._most(asked.request) for asked in batch.values()), Spending())
        lines = b"".join(asked.line for asked in batch.values())
        sending = asyncio.create_task(self.carrier.send(list(batch), lines, most))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        return await asyncio.shield(sending)

    def _most(self, request: ChatRequest) -> Spending:
        return spending_of(upper_bound(request), self.account.price)

    def _tell(self, asked: _Asked, line: Line | None, job: Job) -> bool:
        """Give the one who waits an answer or an error; True for an answer."""
        if asked.answer.done():
            return False
        try:
            if line is None:
                raise _without_a_line(job)
            asked.answer.set_result(self.inner.batches.read(line, asked.request, asked.body))
        except TeacherError as e:
            asked.answer.set_exception(e)
            return False
        return True

    async def _forget_kept(self) -> None:
        """Drop the batches from the journal whose answers are all in the ledger."""
        ledger = self.account.ledger
        kept = [entry for entry, keys in self._landed if all(ledger.get(key) is not None for key in keys)]
        self._landed = [(entry, keys) for entry, keys in self._landed if entry not in kept]
        for entry in kept:
            await self.carrier.journal.drop(entry)


def _without_a_line(job: Job) -> TeacherError:
    """Why a batch says nothing about a request."""
    if job.status == "cancelled":
        return TeacherUnusable(f"batch {job.id} was cancelled; run the same recipe again to ask what is missing")
    if job.status == "expired":
        return TeacherError("timeout", f"batch {job.id} expired before this request's turn")
    return TeacherError("server_error", f"batch {job.id} has no answer to this request")


def _fail(batch: dict[str, _Asked], error: Exception) -> None:
    for asked in batch.values():
        if not asked.answer.done():
            asked.answer.set_exception(error)
            asked.answer.exception()  # whoever waited may be gone
