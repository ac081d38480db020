"""One row through consecutive stages, whatever becomes of it."""

import asyncio
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from metaalign_data.engine.counts import Counts
from metaalign_data.engine.plan import RowStep
from metaalign_data.errors import BudgetReached, MetaalignError, TeacherError, TeacherUnusable
from metaalign_data.records import Record
from metaalign_data.stage import Context, Reject
from metaalign_data.teacher.trail import Asked, trail


class Stopped(MetaalignError):
    """The user asked to stop (Ctrl-C or SIGTERM)."""


class TooManyFailures(MetaalignError):
    """So many rows fail that going on would burn money."""


STOPS = (BudgetReached, TeacherUnusable, Stopped, TooManyFailures)
"""What ends the run, not just a row."""


@dataclass
class Ended:
    """All that came of one row: records by step, rejects and failures, in an order that does not depend on timing.

    `asked` are the answers of the ledger that went into it, whatever came of them; `lineage` says what each stage made
    of what.
    """

    made: list[list[Record]]
    rejects: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    lineage: list[dict[str, str]] = field(default_factory=list)

    def absorb(self, other: "Ended") -> None:
        for mine, theirs in zip(self.made, other.made, strict=True):
            mine.extend(theirs)
        self.rejects.extend(other.rejects)
        self.failures.extend(other.failures)
        self.asked.extend(other.asked)
        self.lineage.extend(other.lineage)


class AtWork(NamedTuple):
    """A row that a stage has in hand, since when (monotonic, seconds)."""

    stage: str
    row_id: str
    since_s: float


@dataclass(frozen=True)
class Flow:
    """The steps of a segment. `counts` and `at_work`, the oldest first, are kept up to date while rows go through.

    `serial` lets the rows that one row gives go on one after the other.
    """

    steps: tuple[RowStep, ...]
    contexts: Mapping[str, Context]
    counts: Counts
    at_work: dict[int, AtWork] = field(default_factory=dict)
    serial: bool = False

    async def run(self, row: Record, depth: int = 0) -> Ended:
        """The row through the steps from `depth` on, and all that it gives through those after, side by side.

        Raises one of STOPS when that is why it did not end.
        """
        ended = Ended([[] for _ in self.steps])
        children = await self._process(self.steps[depth], row, ended)
        ended.made[depth].extend(children)
        if depth + 1 == len(self.steps):
            return ended
        if self.serial or len(children) < 2:
            for child in children:
                ended.absorb(await self.run(child, depth + 1))
            return ended
        outcomes = await asyncio.gather(*(self.run(child, depth + 1) for child in children), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            ended.absorb(outcome)
        return ended

    async def _process(self, step: RowStep, row: Record, ended: Ended) -> list[Record]:
        here = AtWork(step.name, row.id, time.monotonic())
        self.at_work[id(here)] = here
        with trail(f"{step.name}, row {row.id}") as answers:
            try:
                made, rejects = sorted_out(await step.stage.process(row, self.contexts[step.name]), step.name)
            except STOPS:
                raise
            except Exception as e:  # whatever a stage does wrong costs its row, never the run
                made, rejects = [], []
                ended.failures.append(self._failed(step, row, e))
            finally:
                del self.at_work[id(here)]
            if made or rejects:
                self.counts[step.name].result(len(made), [each.reason for each in rejects])
        ended.rejects.extend(_ending(row, step.name, each.reason) | {"detail": each.detail} for each in rejects)
        ended.asked.extend(asked_by(step.name, row.id, answers))
        ended.lineage.extend({"stage": step.name, "row_id": row.id, "made": each.id} for each in made)
        return made

    def _failed(self, step: RowStep, row: Record, e: Exception) -> dict[str, str]:
        reason = e.reason if isinstance(e, TeacherError) else type(e).__name__
        error = str(e) if isinstance(e, MetaalignError) else "".join(traceback.format_exception(e))
        self.counts[step.name].failure(reason)
        return _ending(row, step.name, reason) | {"error": error}


def sorted_out(results: object, stage: str) -> tuple[list[Record], list[Reject]]:
    """Records and rejects of what `process` returned. Raises TypeError when it is not what a stage may return."""
    if not isinstance(results, list | tuple) or not results:
        raise TypeError(f"stage {stage} must return a list of records and Rejects, at least one; got {results!r:.200}")
    made = [result for result in results if isinstance(result, Record)]
    rejects = [result for result in results if isinstance(result, Reject)]
    if len(made) + len(rejects) != len(results):
        raise TypeError(f"stage {stage} must return nothing but records and Rejects; got {results!r:.200}")
    return made, rejects


def _ending(row: Record, stage: str, reason: str) -> dict[str, str]:
    return {"row_id": row.id, "stage": stage, "reason": reason, "row": row.model_dump_json()}


def asked_by(stage: str, row_id: str, answers: Iterable[Asked]) -> Iterator[dict[str, str]]:
    """Each answer once, in an order that does not depend on timing; rows of a table with the columns of ASKED."""
    unusable = {answer.key: answer.unusable for answer in answers}
    for key in sorted(unusable):
        yield {"stage": stage, "row_id": row_id, "key": key, "unusable": unusable[key]}
