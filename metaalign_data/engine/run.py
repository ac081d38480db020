"""The runner: rows through stages, each accounted for; memory is bounded by a window, not by the number of rows."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.engine.counts import Counts, StageCounts, too_many
from metaalign_data.engine.flow import STOPS, AtWork, Ended, Flow, TooManyFailures, asked_by
from metaalign_data.engine.folder import (
    ASKED,
    FAILURES,
    LINEAGE,
    REJECTS,
    SHORT_ROWS_PER_PART,
    Parts,
    RunFolder,
    batches,
)
from metaalign_data.engine.plan import RowStep, Segment, TableStep, segments
from metaalign_data.engine.table_step import kept_and_dropped, transform
from metaalign_data.engine.target import CUT
from metaalign_data.engine.window import Window
from metaalign_data.queries import BadRow, Read
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query, Record, Subset, from_frame, lines_to_frame, schema, to_line
from metaalign_data.stage import Context
from metaalign_data.teacher.trail import trail

NextRound = Callable[[Mapping[Subset, int]], Iterable[Read] | None]
QUERIES = "queries"
"""The name under which the source of the queries is counted, beside those of the stages."""


class Runner:
    """Runs stages over queries into a run directory.

    `context` makes the Context of a stage by its name. `window` is the number of rows in work at once; `serial` takes
    what a row gives one after the other, too. Where more than `max_failure_rate` of a stage's rows come to nothing for
    want of a usable answer, the run stops. `on_stop` is called once with the reason why it has to end early.

    `cut_short` tells whether it had to end while rows were on their way, and not in a table stage.
    `counts`, `rows_done` of `rows_total` queries (None where nobody knows), `at_work`, the rows that stages have in
    hand, and `at_table`, the table stage at work, can be read at any time, for progress.
    """

    def __init__(
        self,
        specs: Sequence[StageSpec],
        folder: RunFolder,
        context: Callable[[str], Context],
        *,
        window: int,
        rows_total: int | None = None,
        serial: bool = False,
        max_failure_rate: float = 1.0,
        on_stop: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self.specs, self.folder, self.window, self.serial = tuple(specs), folder, window, serial
        self.max_failure_rate, self._on_stop = max_failure_rate, on_stop
        self.rows_done, self.rows_total = 0, rows_total
        self.at_work: dict[int, AtWork] = {}
        self.at_table: str | None = None
        self.contexts = {spec.name: context(spec.name) for spec in self.specs}
        self.counts: Counts = {name: StageCounts() for name in (QUERIES, *(spec.name for spec in self.specs))}
        self._rejects = {name: Parts[Mapping[str, str]](folder.rejects / f".{name}", REJECTS) for name in self.counts}
        self._failures = Parts[Mapping[str, str]](folder.root / ".failures", FAILURES)
        self._asked = Parts[Mapping[str, str]](folder.asked, ASKED, SHORT_ROWS_PER_PART)
        self._lineage = Parts[Mapping[str, str]](folder.lineage, LINEAGE, SHORT_ROWS_PER_PART)
        self.cut_short = False
        self._stopped: Exception | None = None
        self._table: asyncio.Task[None] | None = None

    @property
    def stopped(self) -> bool:
        return self._stopped is not None

    def stop(self, reason: Exception) -> None:
        """Take no further row and leave the table stage that is at work; `run` raises the first reason."""
        if self._stopped is None:
            self._stopped = reason
            self._on_stop(reason)
            if self._table:
                self._table.cancel()

    async def run(self, queries: Iterable[Read], more: NextRound | None = None) -> pl.LazyFrame:
        """All rows of the last stage. Raises BudgetReached, TeacherUnusable, TooManyFailures or Stopped when it had to
        end early.

        `more` gives further queries, by the number of rows of each subset that have passed so far, until it gives None.
        However it ends, what has become of the rows so far is on disk.
        """
        source: Iterator[Record] = self._good(queries)
        record: type[Record] = Query
        last = QUERIES
        plan = segments(self.specs)
        try:
            for i, segment in enumerate(plan):
                if isinstance(segment, TableStep):
                    await self._run_table(segment, last, record)
                    last = segment.name
                else:
                    tables = [self._table_of(step) for step in segment]
                    await self._run_rows(segment, source, tables, count=last == QUERIES)
                    while last == QUERIES and more:
                        passed = await asyncio.to_thread(self._passed, segment[-1], plan[i + 1 :])
                        if not (again := more(passed)):
                            break
                        await self._run_rows(segment, self._good(again), tables, count=True)
                    last, record = segment[-1].name, segment[-1].gives
                source = self._rows(last, record)
        finally:
            for name, parts in self._rejects.items():
                parts.close_as(self.folder.rejects / f"{name}.parquet")
            self._failures.close_as(self.folder.failures)
            self._asked.close()
            self._lineage.close()
        return self.folder.table(last)

    def _table_of(self, step: RowStep) -> Parts[str]:
        """The table of what the step makes, which takes its rows as lines."""
        frame = partial(lines_to_frame, record=step.gives)
        return Parts(self.folder.tables / step.name, schema(step.gives), frame=frame)

    def _good(self, queries: Iterable[Read]) -> Iterator[Record]:
        counts = self.counts[QUERIES]
        for query in queries:
            if isinstance(query, BadRow):
                counts.result(0, [query.reason])
                bad = {"row_id": query.where, "stage": QUERIES, "reason": query.reason, "detail": query.detail}
                self._rejects[QUERIES].extend([{**bad, "row": query.raw}])
            else:
                counts.result(1, [])
                yield query

    def _rows(self, stage: str, record: type[Record]) -> Iterator[Record]:
        for batch in batches(self.folder.parts(stage)):
            yield from from_frame(batch, record)

    def _passed(self, step: RowStep, later: Sequence[Segment]) -> dict[Subset, int]:
        """Rows of each subset that the table stages up to the cut let pass, of all that the step has made so far."""
        table = self.folder.table(step.name)
        for segment in later:
            if not isinstance(segment, TableStep) or segment.name == CUT:
                break
            table = segment.stage.transform(table, self.contexts[segment.name])
            if "reject_reason" in table.collect_schema():
                table = table.filter(pl.col("reject_reason").is_null()).drop("reject_reason", "reject_detail")
        return dict(table.group_by("subset").len().collect().iter_rows())

    async def _run_rows(
        self, steps: tuple[RowStep, ...], source: Iterator[Record], tables: Sequence[Parts[str]], *, count: bool
    ) -> None:
        """Feed the source into the steps, `window` rows at a time; outcomes are written in the order of the rows."""
        flow = Flow(steps, self.contexts, self.counts, self.at_work, self.serial)
        self.cut_short = True
        work = Window[Ended](self.window)
        try:
            for row in source:
                await work.room()
                self._settle(work, tables, count=count)
                if self._stopped:
                    break
                work.put(flow.run(row))
            await work.rest()
            self._settle(work, tables, count=count)
        finally:
            await work.cancel()
            for table in tables:
                table.close()
        if self._stopped:
            raise self._stopped
        self.cut_short = False

    def _settle(self, work: Window[Ended], tables: Sequence[Parts[str]], *, count: bool) -> None:
        """Write down what has ended, and stop where it says so."""
        for task in work.ended():
            try:
                ended = task.result()
            except STOPS as e:
                self.stop(e)
                continue
            self.rows_done += count
            for table, rows in zip(tables, ended.made, strict=True):
                table.extend(map(to_line, rows))
            for reject in ended.rejects:
                self._rejects[reject["stage"]].extend([reject])
            self._failures.extend(ended.failures)
            self._asked.extend(ended.asked)
            self._lineage.extend(ended.lineage)
        if trouble := too_many(self.counts, self.max_failure_rate):
            self.stop(TooManyFailures(trouble))

    async def _run_table(self, step: TableStep, before: str, record: type[Record]) -> None:
        scratch = self.folder.tables / f".{step.name}.parquet"
        table, context = self.folder.table(before), self.contexts[step.name]
        if self._stopped:
            raise self._stopped
        self.at_table = step.name
        with trail(f"stage {step.name}") as answers:  # of an embedding server
            self._table = asyncio.create_task(transform(step, table, context, scratch, self.counts[before].made))
            try:
                await asyncio.wait([self._table])
                if self._stopped:
                    raise self._stopped
                await self._table
            finally:
                self._table.cancel()
                self._table = self.at_table = None
        self._asked.extend(asked_by(step.name, "", answers))
        await self._take(step, scratch, record)
        scratch.unlink()

    async def _take(self, step: TableStep, made: Path, record: type[Record]) -> None:
        """Split what the stage made into its table and its rejects."""
        counts = self.counts[step.name]
        parts = Parts[Mapping[str, Any]](self.folder.tables / step.name, schema(record))
        for kept, rejects in kept_and_dropped(made, schema(record)):
            parts.extend_frame(kept)
            counts.pass_table(kept.height)
            for reject in rejects:
                counts.result(0, [reject["reason"]])
                self._rejects[step.name].extend([{**reject, "stage": step.name}])
            await asyncio.sleep(0)
        parts.close()
