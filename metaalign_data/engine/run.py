"""The runner: rows through stages, each accounted for; memory is bounded by a window, not by the number of rows."""

import asyncio
import json
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from metaalign_data.engine.counts import Counts, StageCounts
from metaalign_data.engine.folder import FAILURES, REJECTS, Parts, RunFolder, batches
from metaalign_data.engine.plan import RowSegment, TableSegment, segments
from metaalign_data.errors import BudgetReached, MetaalignError, TeacherError, TeacherUnusable, UserError
from metaalign_data.queries import BadRow
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query, Record, from_frame, schema, to_dict
from metaalign_data.registry import stage_types
from metaalign_data.stage import Context, Reject

QUERIES = "queries"


class Stopped(MetaalignError):
    """The user asked to stop (Ctrl-C or SIGTERM)."""


STOPS = (BudgetReached, TeacherUnusable, Stopped)


@dataclass
class _Ended:
    """All that came of one row of a segment: records by stage, rejects and failures, in a fixed order."""

    made: list[list[Record]]
    rejects: list[dict[str, str]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    def absorb(self, other: "_Ended") -> None:
        for mine, theirs in zip(self.made, other.made, strict=True):
            mine.extend(theirs)
        self.rejects.extend(other.rejects)
        self.failures.extend(other.failures)


class Runner:
    """Runs stages over queries into a run directory.

    `context` makes the Context of a stage by its name. `window` is the number of rows in work at once. `counts`, and
    `rows_done` of `rows_total` queries (None where nobody knows), can be read at any time, for progress.
    """

    def __init__(
        self,
        specs: Sequence[StageSpec],
        folder: RunFolder,
        context: Callable[[str], Context],
        *,
        window: int,
        rows_total: int | None = None,
    ) -> None:
        self.specs, self.folder, self.window = tuple(specs), folder, window
        self.rows_done, self.rows_total = 0, rows_total
        self.contexts = {spec.name: context(spec.name) for spec in self.specs}
        self.counts: Counts = {name: StageCounts() for name in (QUERIES, *(spec.name for spec in self.specs))}
        self._rejects = {name: Parts(folder.rejects / f".{name}", REJECTS) for name in self.counts}
        self._failures = Parts(folder.root / ".failures", FAILURES)

    async def run(self, queries: Iterable[Query | BadRow]) -> pl.LazyFrame:
        """All rows of the last stage. Raises BudgetReached, TeacherUnusable or Stopped when it had to end early.

        However it ends, what has become of the rows so far is on disk.
        """
        source: Iterator[Record] = self._good(queries)
        record: type[Record] = Query
        last = ""
        try:
            for segment in segments(self.specs):
                if isinstance(segment, RowSegment):
                    record = await self._run_rows(segment, source, record)
                    last = segment.specs[-1].name
                else:
                    self._run_table(segment, last, record)
                    last = segment.spec.name
                source = self._rows(last, record)
        finally:
            for name, parts in self._rejects.items():
                parts.close_as(self.folder.rejects / f"{name}.parquet")
            self._failures.close_as(self.folder.failures)
        return self.folder.table(last)

    def _good(self, queries: Iterable[Query | BadRow]) -> Iterator[Query]:
        counts = self.counts[QUERIES]
        for query in queries:
            counts.taken += 1
            if isinstance(query, BadRow):
                counts.rejected += 1
                counts.reasons[f"rejected: {query.reason}"] += 1
                self._rejects[QUERIES].extend(
                    [
                        {
                            "row_id": query.where,
                            "stage": QUERIES,
                            "reason": query.reason,
                            "detail": query.detail,
                            "row": query.raw,
                        }
                    ]
                )
            else:
                counts.passed += 1
                counts.made += 1
                yield query

    def _rows(self, stage: str, record: type[Record]) -> Iterator[Record]:
        for batch in batches(self.folder.table(stage)):
            yield from from_frame(batch, record)

    async def _run_rows(self, segment: RowSegment, source: Iterator[Record], record: type[Record]) -> type[Record]:
        types = [stage_types(type(spec.stage)) for spec in segment.specs]
        outs = [out for _, out in types]
        tables = [
            Parts(self.folder.tables / spec.name, schema(out)) for spec, out in zip(segment.specs, outs, strict=True)
        ]
        work: deque[asyncio.Task[_Ended]] = deque()
        stop: BaseException | None = None

        async def settle(task: asyncio.Task[_Ended]) -> None:
            nonlocal stop
            try:
                ended = await task
            except STOPS as e:
                stop = stop or e
                return
            self.rows_done += record is Query
            for table, rows in zip(tables, ended.made, strict=True):
                table.extend(map(to_dict, rows))
            for reject in ended.rejects:
                self._rejects[reject["stage"]].extend([reject])
            self._failures.extend(ended.failures)

        try:
            for row in source:
                while len(work) >= self.window:
                    await settle(work.popleft())
                if stop:
                    break
                work.append(asyncio.create_task(self._flow(segment.specs, 0, row)))
            while work:
                await settle(work.popleft())
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            for table in tables:
                table.close()
        if stop:
            raise stop
        return outs[-1]

    async def _flow(self, specs: tuple[StageSpec, ...], depth: int, row: Record) -> _Ended:
        """The row through specs[depth:], its records through the stages after, all at once."""
        ended = _Ended([[] for _ in specs])
        children = await self._process(specs[depth], row, ended)
        ended.made[depth].extend(children)
        if depth + 1 == len(specs):
            return ended
        outcomes = await asyncio.gather(
            *(self._flow(specs, depth + 1, child) for child in children), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            ended.absorb(outcome)
        return ended

    async def _process(self, spec: StageSpec, row: Record, ended: _Ended) -> list[Record]:
        counts = self.counts[spec.name]
        try:
            results = await spec.stage.process(row, self.contexts[spec.name])
            made = [result for result in results if isinstance(result, Record)]
            rejects = [result for result in results if isinstance(result, Reject)]
            if not results or len(made) + len(rejects) != len(results):
                raise TypeError(
                    f"stage {spec.name} must return records and Rejects, at least one; it returned {results!r:.200}"
                )
        except STOPS:
            raise
        except Exception as e:  # whatever a stage does wrong costs its row, never the run
            reason = e.reason if isinstance(e, TeacherError) else type(e).__name__
            error = str(e) if isinstance(e, MetaalignError) else traceback.format_exc()
            ended.failures.append(_ending(row, spec.name, reason) | {"error": error})
            counts.taken += 1
            counts.failed += 1
            counts.reasons[f"failed: {reason}"] += 1
            return []
        for reject in rejects:
            ended.rejects.append(_ending(row, spec.name, reject.reason) | {"detail": reject.detail})
            counts.reasons[f"rejected: {reject.reason}"] += 1
        counts.taken += 1
        counts.made += len(made)
        if made:
            counts.passed += 1
        else:
            counts.rejected += 1
        return made

    def _run_table(self, segment: TableSegment, before: str, record: type[Record]) -> None:
        name, counts = segment.spec.name, self.counts[segment.spec.name]
        table = segment.stage.transform(self.folder.table(before), self.contexts[name]).collect()
        if table.height != self.counts[before].made:
            raise UserError(
                f"stage {name} took {self.counts[before].made} rows and gave {table.height}",
                fix="a table stage drops a row by writing a reason into its reject_reason column",
            )
        dropped = (
            table.filter(pl.col("reject_reason").is_not_null()) if "reject_reason" in table.columns else table.clear()
        )
        kept = table.filter(pl.col("reject_reason").is_null()) if "reject_reason" in table.columns else table
        for row in dropped.iter_rows(named=True):
            reason, detail = row.pop("reject_reason"), row.pop("reject_detail", None)
            counts.reasons[f"rejected: {reason}"] += 1
            self._rejects[name].extend(
                [{"row_id": row["id"], "stage": name, "reason": reason, "detail": detail or "", "row": json.dumps(row)}]
            )
        counts.taken += table.height
        counts.rejected += dropped.height
        counts.passed += kept.height
        counts.made += kept.height
        parts = Parts(self.folder.tables / name, schema(record))
        for batch in kept.select(schema(record).names()).iter_slices(10_000):
            parts.extend(batch.iter_rows(named=True))
        parts.close()


def _ending(row: Record, stage: str, reason: str) -> dict[str, str]:
    return {"row_id": row.id, "stage": stage, "reason": reason, "row": row.model_dump_json()}
