"""The runner: rows through stages, each accounted for; memory is bounded by a window, not by the number of rows."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import polars as pl

from metaalign_data.engine.counts import Counts, StageCounts
from metaalign_data.engine.flow import STOPS, Ended, Flow
from metaalign_data.engine.folder import FAILURES, REJECTS, Parts, RunFolder, batches
from metaalign_data.engine.plan import RowStep, Segment, TableStep, segments
from metaalign_data.engine.target import CUT
from metaalign_data.errors import UserError
from metaalign_data.queries import BadRow, Read
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query, Record, Subset, from_frame, schema, to_dict
from metaalign_data.stage import Context

NextRound = Callable[[Mapping[Subset, int]], Iterable[Read] | None]
QUERIES = "queries"
"""The name under which the source of the queries is counted, beside those of the stages."""


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

    async def run(self, queries: Iterable[Read], more: NextRound | None = None) -> pl.LazyFrame:
        """All rows of the last stage. Raises BudgetReached, TeacherUnusable or Stopped when it had to end early.

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
                    tables = [Parts(self.folder.tables / step.name, schema(step.gives)) for step in segment]
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
        return self.folder.table(last)

    def _good(self, queries: Iterable[Read]) -> Iterator[Record]:
        counts = self.counts[QUERIES]
        for query in queries:
            if isinstance(query, BadRow):
                counts.result(0, [query.reason])
                self._reject(QUERIES, query.where, query.reason, query.detail, query.raw)
            else:
                counts.result(1, [])
                yield query

    def _rows(self, stage: str, record: type[Record]) -> Iterator[Record]:
        for batch in batches(self.folder.table(stage)):
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
        self, steps: tuple[RowStep, ...], source: Iterator[Record], tables: Sequence[Parts], *, count: bool
    ) -> None:
        """Feed the source into the steps, `window` rows at a time; outcomes are written in the order of the rows."""
        flow = Flow(steps, self.contexts, self.counts)
        work: deque[asyncio.Task[Ended]] = deque()
        stop: BaseException | None = None

        async def settle_first() -> None:
            nonlocal stop
            try:
                ended = await work.popleft()
            except STOPS as e:
                stop = stop or e
                return
            self.rows_done += count
            for table, rows in zip(tables, ended.made, strict=True):
                table.extend(map(to_dict, rows))
            for reject in ended.rejects:
                self._rejects[reject["stage"]].extend([reject])
            self._failures.extend(ended.failures)

        try:
            for row in source:
                while len(work) >= self.window:
                    await settle_first()
                if stop:
                    break
                work.append(asyncio.create_task(flow.run(row)))
            while work:
                await settle_first()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            for table in tables:
                table.close()
        if stop:
            raise stop

    async def _run_table(self, step: TableStep, before: str, record: type[Record]) -> None:
        def transformed() -> pl.DataFrame:
            return step.stage.transform(self.folder.table(before), self.contexts[step.name]).collect()

        table = await asyncio.to_thread(transformed)  # it may take long: progress goes on, and embeddings can be asked
        if table.height != self.counts[before].made:
            raise UserError(
                f"stage {step.name} took {self.counts[before].made} rows and gave {table.height}",
                fix="a table stage drops a row by writing a reason into its reject_reason column",
            )
        for column in ("reject_reason", "reject_detail"):
            if column not in table.columns:
                table = table.with_columns(pl.lit(None, dtype=pl.String).alias(column))
        counts = self.counts[step.name]
        for row in table.filter(pl.col("reject_reason").is_not_null()).iter_rows(named=True):
            reason, detail = row.pop("reject_reason"), row.pop("reject_detail")
            counts.result(0, [reason])
            self._reject(step.name, row["id"], reason, detail or "", json.dumps(row, ensure_ascii=False))
        kept = table.filter(pl.col("reject_reason").is_null()).select(schema(record).names())
        counts.pass_table(kept.height)
        parts = Parts(self.folder.tables / step.name, schema(record))
        parts.extend_frame(kept)
        parts.close()

    def _reject(self, stage: str, row_id: str, reason: str, detail: str, row: str) -> None:
        ending = {"row_id": row_id, "stage": stage, "reason": reason, "detail": detail, "row": row}
        self._rejects[stage].extend([ending])
