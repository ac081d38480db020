"""A bound on what goes on at once, first come first served."""

import asyncio
from collections import deque


class Places:
    """As many as are free can be held at once, each by the body of an `async with`.

    What asyncio.Semaphore does; that one looks through all whom it has woken already with each place that becomes free,
    and one commit of the ledger frees a hundred at once.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        given = asyncio.get_running_loop().create_future()
        self._waiting.append(given)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self._pass_on()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        """To the first who waits and has not given up, straight, so that nobody can come in between."""
        while self._waiting:
            given = self._waiting.popleft()
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
