"""Work side by side, its results in order: a bound on what is at work, and one on what waits to be taken."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

AHEAD = 128
"""How many results a window may hold beside what is at work: so much can end while one row keeps others waiting."""


class Window(Generic[T]):
    """At most `size` coroutines at work; their tasks are taken in the order in which they were put in."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self._held: deque[asyncio.Task[T]] = deque()
        self._most = size + AHEAD

    async def room(self) -> None:
        """Wait until one more may be put in, once what has ended is taken, and keep the place for it."""
        if len(self._held) >= self._most:
            await asyncio.wait([self._held[0]])
        await self._free.acquire()

    def put(self, work: Coroutine[Any, Any, T]) -> None:
        """Set to work, in the place that `room` has kept."""
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._free.release())
        self._held.append(task)

    def ended(self) -> Iterator[asyncio.Task[T]]:
        """What has ended, as far as nothing before it is still at work."""
        while self._held and self._held[0].done():
            yield self._held.popleft()

    async def rest(self) -> None:
        """Wait until all of it has ended."""
        if self._held:
            await asyncio.wait(self._held)

    async def cancel(self) -> None:
        """End what is still at work, and let go of all of it."""
        for task in self._held:
            task.cancel()
        await asyncio.gather(*self._held, return_exceptions=True)
        self._held.clear()
