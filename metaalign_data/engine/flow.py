"""One row through consecutive stages, whatever becomes of it."""

import asyncio
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from metaalign_data.engine.counts import Counts
from metaalign_data.engine.plan import RowStep
from metaalign_data.errors import BudgetReached, MetaalignError, TeacherError, TeacherUnusable
from metaalign_data.records import Record
from metaalign_data.stage import Context, Reject


class Stopped(MetaalignError):
    """The user asked to stop (Ctrl-C or SIGTERM)."""


STOPS = (BudgetReached, TeacherUnusable, Stopped)
"""What ends the run, not just a row."""


@dataclass
class Ended:
    """All that came of one row: records by step, rejects and failures, in an order that does not depend on timing."""

    made: list[list[Record]]
    rejects: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    def absorb(self, other: "Ended") -> None:
        for mine, theirs in zip(self.made, other.made, strict=True):
            mine.extend(theirs)
        self.rejects.extend(other.rejects)
        self.failures.extend(other.failures)


@dataclass(frozen=True)
class Flow:
    """The steps of a segment. `counts` is kept up to date while rows go through."""

    steps: tuple[RowStep, ...]
    contexts: Mapping[str, Context]
    counts: Counts

    async def run(self, row: Record, depth: int = 0) -> Ended:
        """The row through the steps from `depth` on, and all that it gives through those after, side by side.

        Raises one of STOPS when that is why it did not end.
        """
        ended = Ended([[] for _ in self.steps])
        children = await self._process(self.steps[depth], row, ended)
        ended.made[depth].extend(children)
        if depth + 1 == len(self.steps):
            return ended
        outcomes = await asyncio.gather(*(self.run(child, depth + 1) for child in children), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            ended.absorb(outcome)
        return ended

    async def _process(self, step: RowStep, row: Record, ended: Ended) -> list[Record]:
        counts = self.counts[step.name]
        try:
            made, rejects = sorted_out(await step.stage.process(row, self.contexts[step.name]), step.name)
        except STOPS:
            raise
        except Exception as e:  # whatever a stage does wrong costs its row, never the run
            reason = e.reason if isinstance(e, TeacherError) else type(e).__name__
            error = str(e) if isinstance(e, MetaalignError) else traceback.format_exc()
            ended.failures.append(_ending(row, step.name, reason) | {"error": error})
            counts.failure(reason)
            return []
        ended.rejects.extend(_ending(row, step.name, each.reason) | {"detail": each.detail} for each in rejects)
        counts.result(len(made), [each.reason for each in rejects])
        return made


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
