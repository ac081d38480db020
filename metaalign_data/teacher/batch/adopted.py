"""Batches that an earlier run has left behind: their answers are waited for, never asked again."""

import asyncio

from metaalign_data.chat import ChatRequest, Completion, Message
from metaalign_data.errors import MetaalignError, TeacherError, UserError
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.batch.base import Job, Line
from metaalign_data.teacher.batch.carrier import Carrier
from metaalign_data.teacher.batch.journal import Entry
from metaalign_data.teacher.budget import Spending, spending_of
from metaalign_data.teacher.expenses import Account
from metaalign_data.teacher.ledger import ledger_key

Awaited = dict[str, asyncio.Future[Completion | None]]
_UNTOLD = ChatRequest(messages=(Message(role="user", content=""),))
"""Stands in the ledger for a question that the server has not kept."""


class Adoption:
    """Takes over the batches of the ledger that the carrier's client has sent, and waits for each."""

    def __init__(self, carrier: Carrier, account: Account) -> None:
        self.carrier, self.account = carrier, account
        self.expected: Awaited = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._landed: list[tuple[Entry, dict[str, tuple[ChatRequest, Completion]]]] = []

    async def start(self) -> None:
        """Raises UserError for a batch that cannot be seen any more, TeacherError as the server does."""
        journal = self.carrier.journal
        for entry in journal.entries():
            if entry.identity != self.carrier.identity:
                continue
            missing = journal.outstanding(entry)
            job = await self._known(entry) if missing else None
            if job is None:
                await journal.drop(entry)
                continue
            self.account.budget.hold(entry.most)
            loop = asyncio.get_running_loop()
            awaited: Awaited = {key: loop.create_future() for key in missing}
            self.expected |= awaited
            task = asyncio.create_task(self._take(entry, job, awaited))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def leave(self, reason: Exception) -> None:
        """Wait no longer; whoever does gets `reason`. The next run takes the batches over."""
        for task in self._tasks:
            task.cancel()
        _fail(self.expected, reason)

    async def close(self) -> None:
        """Write down the answers that nobody has asked for: they are paid for."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        ledger, price = self.account.ledger, self.account.price
        for entry, answers in self._landed:
            for key, (request, answer) in answers.items():
                if ledger.get(key) is None:
                    await ledger.put(key, request, answer, price.of(answer.usage) if price else None)
            await self.carrier.journal.drop(entry)

    async def _known(self, entry: Entry) -> Job | None:
        """The batch as the server sees it; None where it was never started.

        Raises UserError for one that was, and that cannot be seen: nothing that is paid for is asked again unasked.
        """
        batches = self.carrier.batches
        job = await (batches.look(entry.job) if entry.job else batches.find(entry.mark))
        another_key = entry.fingerprint != batches.fingerprint
        if job is None and (entry.job or another_key):
            why = ", and this one does not see it" if another_key else ", and the server knows it no more"
            raise UserError(
                f"batch {entry.job or entry.mark} with {len(entry.keys)} requests was sent on {entry.made_at}"
                f"{' with another API key' if another_key else ''}{why}",
                fix=f"{'set that key again to fetch what is paid for, or ' if another_key else ''}give the batch up, "
                f"and its requests are asked again: metaalign-data batches RUN --forget {entry.job or entry.mark}",
            )
        if job is not None and another_key:
            self.carrier.notices.add(f"batch {job.id} was sent with another API key, and this one sees it, too")
        return job

    async def _take(self, entry: Entry, job: Job, awaited: Awaited) -> None:
        try:
            job = await self.carrier.ended(job.id)
            lines = await self.carrier.results(job)
            asked = await self.carrier.batches.requests(job)
        except MetaalignError as e:
            _fail(awaited, e)
            return
        answers = {}
        paid = Spending()
        for key in awaited:
            request = asked.get(key, _UNTOLD)
            if answer := self._answer(lines.get(key), request):
                answers[key] = request, answer
                paid += spending_of(answer.usage, self.account.price)
        self.account.budget.settle(entry.most, paid)
        self._landed.append((entry, answers))
        for key, future in awaited.items():
            if not future.done():
                future.set_result(answers[key][1] if key in answers else None)

    def _answer(self, line: Line | None, request: ChatRequest) -> Completion | None:
        """None for a request that has failed: it is asked again."""
        if line is None:
            return None
        try:
            return self.carrier.batches.read(line, request, {})
        except TeacherError:
            return None


class Adopted:
    """Answers from the batches that were taken over, else asks `inner`.

    It stands outside the budget: what those batches may cost was set aside as a whole when they were taken over.
    """

    def __init__(self, inner: Teacher, identity: str, expected: Awaited) -> None:
        self.inner, self.identity, self.expected = inner, identity, expected

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises what `inner` raises, and what made waiting end."""
        pending = self.expected.get(ledger_key(self.identity, request))
        if pending is not None and (answer := await asyncio.shield(pending)) is not None:
            return answer
        return await self.inner.complete(request)


def _fail(awaited: Awaited, error: Exception) -> None:
    for future in awaited.values():
        if not future.done():
            future.set_exception(error)
            future.exception()  # nobody may be waiting, and that is no error
