"""What a person sees while a run goes on: a live table on a terminal, a line every few seconds in a pipe; on stderr."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metaalign_data.engine.counts import Counts, StageCounts
from metaalign_data.engine.watchdog import Watchdog
from metaalign_data.teacher.meter import Meter

LINE_EVERY_S = 5.0


class Watched(Protocol):
    """A runner, as far as progress looks at it."""

    counts: Counts
    rows_done: int
    rows_total: int | None


class Progress:
    """Renders the state of a run. `meter` counts the requests of all models; `target` says how far the target is,
    `watchdog` what everything waits for.
    """

    def __init__(
        self,
        watched: Watched,
        meter: Meter,
        target: Callable[[], str] | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.watched, self.meter, self.target, self.watchdog = watched, meter, target, watchdog
        self.started_s = time.monotonic()

    def line(self) -> str:
        """All figures in one line."""
        stages = "  ".join(
            f"{name} {c.taken}" + (f" ({_lost(c)})" if _lost(c) else "") for name, c in self.watched.counts.items()
        )
        return f"{stages}  |  {self._traffic()}"

    def __rich__(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for header in ("stage", "", "in", "out", "rejected", "failed"):
            table.add_column(header, justify="left" if header in ("stage", "") else "right")
        expected = self.watched.rows_total
        for name, c in self.watched.counts.items():
            bar = ProgressBar(total=expected or None, completed=c.taken, width=24, pulse=False)
            table.add_row(name, bar, f"{c.taken:,}", f"{c.made:,}", f"{c.rejected:,}", f"{c.failed:,}")
            expected = round(c.made * expected / c.taken) if expected and c.taken else None
        return Group(table, Text(self._traffic(), style="dim"))

    def _traffic(self) -> str:
        m, elapsed_s = self.meter, max(time.monotonic() - self.started_s, 1e-9)
        wanted = m.parsed + m.malformed
        parts = [
            *([self.target()] if self.target else []),
            f"{m.asked:,} asked, {m.asked / elapsed_s:.1f}/s",
            f"{m.replayed:,} from the ledger",
            f"{m.in_flight} in flight",
            *([f"{m.batched:,} in batches"] if m.batched else []),
            *([f"{m.retries:,} retries"] if m.retries else []),
            *([f"{m.parsed / wanted:.1%} of {wanted:,} JSON answers parsed"] if wanted else []),
            f"{m.prompt_tokens + m.completion_tokens:,} tokens",
            cost_text(m),
        ]
        done, total = self.watched.rows_done, self.watched.rows_total
        if done and total:
            parts.append(f"ETA {_clock(elapsed_s * (total - done) / done)}")
        if self.watchdog and self.watchdog.stalled:
            parts.append(self.watchdog.stalled)
        return ", ".join(parts)


def cost_text(meter: Meter) -> str:
    """What was spent so far, with what is unknown said as unknown."""
    if not meter.unpriced_calls:
        return f"${meter.usd:.4f}"
    known = f"${meter.usd:.4f} + " if meter.usd else ""
    return f"{known}cost of {meter.unpriced_calls:,} calls unknown (no price given)"


def _lost(c: StageCounts) -> str:
    return ", ".join(f"{n} {word}" for n, word in ((c.rejected, "rejected"), (c.failed, "failed")) if n)


def _clock(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{s:02d}" if hours else f"{minutes}:{s:02d}"


@contextlib.asynccontextmanager
async def showing(progress: Progress) -> AsyncIterator[None]:
    """Show progress while the body runs."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(get_renderable=progress.__rich__, console=console, refresh_per_second=5):
            yield
        return

    async def lines() -> None:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            console.out(progress.line(), highlight=False)

    task = asyncio.create_task(lines())
    try:
        yield
    finally:
        task.cancel()
        console.out(progress.line(), highlight=False)
