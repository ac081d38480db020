"""Which answers of the ledger a row was made with, and on whose behalf a request is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Asked:
    """An answer, by its key in the ledger. `unusable` says why no stage could use it, "" where one could."""

    key: str
    unusable: str = ""


_TRAIL: ContextVar[list[Asked] | None] = ContextVar("trail", default=None)
_ASKER: ContextVar[str] = ContextVar("asker", default="")


@contextmanager
def trail(asker: str = "") -> Iterator[list[Asked]]:
    """Gathers the answers that the body gets, in tasks that it starts as well; a trail around it gathers them too.

    `asker` names whoever asks, for those who look at open requests; a trail within another one can go without.
    """
    outer, mine = _TRAIL.get(), list[Asked]()
    trail_token, asker_token = _TRAIL.set(mine), _ASKER.set(asker or _ASKER.get())
    try:
        yield mine
    finally:
        _TRAIL.reset(trail_token)
        _ASKER.reset(asker_token)
        if outer is not None:
            outer.extend(mine)


def leave(key: str) -> None:
    """Put an answer on the trail of whoever asked for it."""
    if (asked := _TRAIL.get()) is not None:
        asked.append(Asked(key))


def asker() -> str:
    """Who asks, "" where nobody said."""
    return _ASKER.get()
