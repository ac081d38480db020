"""Ctrl-C and SIGTERM: first politely, then at once."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metaalign_data.engine.flow import Stopped


@dataclass
class Signals:
    """How many have come."""

    heard: int = 0


@contextlib.contextmanager
def stop_on_signals(stop: Callable[[Exception], None], grace_s: float) -> Iterator[Signals]:
    """The first signal calls `stop`, which takes up nothing new; answers in flight have `grace_s` seconds to come.

    After that, or at a second signal, the task that runs the body is cancelled.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("stop_on_signals is for the body of a task")
    grace: list[asyncio.TimerHandle] = []
    signals = Signals()

    def stop_once() -> None:
        signals.heard += 1
        if grace:
            task.cancel()
        else:
            grace.append(loop.call_later(grace_s, task.cancel))
            stop(Stopped("interrupted"))

    handled = []
    for signum in (signal.SIGINT, signal.SIGTERM):
        # not on Windows, not off the main thread
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signum, stop_once)
            handled.append(signum)
    try:
        yield signals
    finally:
        for timer in grace:
            timer.cancel()
        for signum in handled:
            loop.remove_signal_handler(signum)
