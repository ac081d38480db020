"""What a person sees while a model works: a live line on a terminal; of training, a line every few seconds in a pipe.

All of it goes to stderr.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from metaalign_trainer.metrics import Row

LINE_EVERY_S = 5.0
T = TypeVar("T")


class Shown:
    """One stage of training, as a person follows it."""

    def __init__(self, stage: str, done: int, total: int, bar: Progress | None) -> None:
        self.stage, self.first, self.total, self.bar = stage, done, total, bar
        self.started_s = self.told_s = time.monotonic()
        self.tokens = 0
        self.task = bar.add_task(stage, total=total, completed=done, figures="") if bar else None

    def step(self, row: Row) -> None:
        """Show the figures of a finished step."""
        self.tokens += row["tokens"]
        elapsed_s = time.monotonic() - self.started_s
        figures = told(row, self.tokens / elapsed_s)
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=row["step"], figures=figures)
        elif time.monotonic() - self.told_s >= LINE_EVERY_S or row["step"] == self.total:
            self.told_s = time.monotonic()
            left_s = elapsed_s / (row["step"] - self.first) * (self.total - row["step"])
            line = f"{self.stage} {row['step']}/{self.total}  {figures}, ETA {int(left_s) // 60}:{int(left_s) % 60:02}"
            Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)


def told(row: Row, tokens_per_s: float) -> str:
    """The figures of a step in one line."""
    parts = [f"loss {row['loss']:.4f}"]
    parts += [f"accuracy {row['accuracy']:.1%}"] if row.get("accuracy") is not None else []
    parts += [f"margin {row['margin']:.3f}"] if row.get("margin") is not None else []
    parts += [f"held out {row['held_out_loss']:.4f}"] if row.get("held_out_loss") is not None else []
    return ", ".join([*parts, f"{tokens_per_s:,.0f} tokens/s"])


@contextmanager
def showing(stage: str, done: int, total: int, *, quiet: bool) -> Iterator[Shown | None]:
    """None where nothing is to be shown."""
    if quiet:
        yield None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Shown(stage, done, total, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[figures]}"), console=console) as bar:
        yield Shown(stage, done, total, bar)


def followed(parts: Iterable[T], total: int, doing: str) -> Iterable[T]:
    """The parts, with a bar for whoever waits at a terminal, gone when they end."""
    console = Console(stderr=True)
    return track(parts, doing, total, console=console, transient=True, disable=not console.is_terminal)
