"""How a row stage asks: everything at once, nothing left behind when the row ends, and earlier turns as text."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from metaalign_data.chat import Message
from metaalign_data.errors import TeacherError, TeacherReason, TeacherUnusable
from metaalign_data.stage import Reject

T = TypeVar("T")

USELESS: frozenset[TeacherReason] = frozenset({"refused", "malformed", "length", "empty", "bad_request"})
"""Endings that asking again would not mend: they reject. A teacher that could not be reached fails the row."""


async def all_ended(work: Iterable[Awaitable[T]]) -> list[T]:
    """The results in order. When something raises, all of it has ended before the gravest error is raised.

    What was answered is in the ledger by then, and nothing goes on asking for a row that is over. What stops the run is
    graver than what fails this row, and that than a useless answer.
    """
    work = list(work)
    if len(work) < 2:  # needs no task of its own
        return [await each for each in work]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    results = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if errors:
        raise min(errors, key=_mildness)
    return results


async def unless_useless(work: Awaitable[T], what: str = "") -> T | Reject:
    """The result, or a Reject with the teacher's reason where its answer is of no use. `what` opens the detail."""
    try:
        return await work
    except TeacherError as e:
        if e.reason not in USELESS:
            raise
        return Reject(e.reason, f"{what}: {e}" if what else str(e))


def transcript(history: Sequence[Message]) -> str:
    """Earlier turns as a prompt shows them, each on a line of its own; "" where there are none.

    Further lines of a turn are indented, so that what somebody said cannot pose as another turn.
    """
    return "\n".join(f"{turn.role.capitalize()}: {turn.content.replace(chr(10), chr(10) + '  ')}" for turn in history)


def _mildness(error: BaseException) -> int:
    if not isinstance(error, TeacherError) or isinstance(error, TeacherUnusable):
        return 0
    return 2 if error.reason in USELESS else 1
