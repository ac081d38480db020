"""The ledger as a layer: what was asked before is not asked again."""

import asyncio
import contextlib

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import MetaalignError
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.ledger import Ledger, ledger_key
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.places import Places
from metaalign_data.teacher.price import Price
from metaalign_data.teacher.trail import leave


class Recorded:
    """Answers from the ledger, else asks `inner` and hands its answer on once it is on disk.

    Equal requests that come at the same time are asked once. Failures are not kept: the next run asks again. At most
    `unsettled` requests (None: any number) have been sent and are not on disk yet, however slow the disk is: so many
    may be asked twice if the process is killed.
    """

    def __init__(
        self,
        inner: Teacher,
        ledger: Ledger,
        identity: str,
        price: Price | None,
        meter: Meter,
        unsettled: int | None = None,
    ) -> None:
        self.inner, self.ledger, self.identity, self.price, self.meter = inner, ledger, identity, price, meter
        self._settling = Places(unsettled) if unsettled else contextlib.nullcontext()
        self._asking: dict[str, asyncio.Future[None]] = {}

    def has_answered(self, request: ChatRequest) -> bool:
        """Whether the ledger holds the answer of this model."""
        return self.ledger.get(ledger_key(self.identity, request)) is not None

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises what `inner` raises, and TeacherUnusable when the ledger fails."""
        key = ledger_key(self.identity, request)
        while True:
            if (kept := self.ledger.get(key)) is not None:
                self.meter.replayed += 1
                leave(key)
                return kept
            if (other := self._asking.get(key)) is None:
                return await self._ask(key, request)
            await asyncio.wait([other])
            if not other.cancelled() and (error := other.exception()):
                raise error

    async def _ask(self, key: str, request: ChatRequest) -> Completion:
        told = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            async with self._settling:
                with self.meter.open(request.prompt):
                    completion = await self.inner.complete(request)
                cost = self.price.of(completion.usage) if self.price else None
                self.meter.paid(completion.usage, cost)
                await self.ledger.put(key, request, completion, cost)
            leave(key)
        except MetaalignError as e:
            told.set_exception(e)
            told.exception()  # nobody may be waiting, and that is no error
            raise
        finally:
            del self._asking[key]
            told.cancel()  # no effect where it has an outcome; else whoever waits looks again
        return completion
