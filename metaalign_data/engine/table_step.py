"""A table stage at work: in a thread that can be left behind, its result split into what stays and what goes."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from metaalign_data.engine.folder import batches
from metaalign_data.engine.plan import TableStep
from metaalign_data.errors import UserError
from metaalign_data.stage import Context
from metaalign_data.stages.columns import MARKS

T = TypeVar("T")

ROWS_PER_GROUP = 1_000


async def transform(step: TableStep, table: pl.LazyFrame, context: Context, out: Path, rows: int) -> None:
    """Write what the stage makes of the table to `out`, with the columns MARKS; parts of it at a time where it can.

    Raises UserError where it gives another number of rows than the `rows` that it took. Cancelled, it returns at once:
    what the stage still computes then is never looked at.
    """

    def write() -> None:
        made = step.stage.transform(table, context)
        there = made.collect_schema().names()
        missing = {name: pl.lit(None, dtype=pl.String) for name in MARKS if name not in there}
        made.with_columns(**missing).sink_parquet(out, row_group_size=ROWS_PER_GROUP)

    await _left_behind(write)
    if (given := pl.scan_parquet(out).select(pl.len()).collect().item()) != rows:
        raise UserError(
            f"stage {step.name} took {rows} rows and gave {given}",
            fix="a table stage drops a row by writing a reason into its reject_reason column",
        )


def kept_and_dropped(made: Path, schema: pl.Schema) -> Iterator[tuple[pl.DataFrame, list[dict[str, str]]]]:
    """What `transform` wrote, a batch at a time: the rows that stay, and the others as rejects without their stage."""
    for batch in batches([made]):
        dropped = batch.filter(pl.col("reject_reason").is_not_null())
        yield (
            batch.filter(pl.col("reject_reason").is_null()).select(schema.names()),
            [_reject(row) for row in dropped.iter_rows(named=True)],
        )


def _reject(row: dict[str, Any]) -> dict[str, str]:
    reason, detail = row.pop("reject_reason"), row.pop("reject_detail")
    return {
        "row_id": row["id"],
        "reason": reason,
        "detail": detail or "",
        "row": json.dumps(row, ensure_ascii=False),
    }


def _left_behind(work: Callable[[], T]) -> Awaitable[T]:
    """The result of `work`, done in a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            outcome = work(), None
        except BaseException as e:
            outcome = None, e  # type: ignore[assignment]
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=copy_context().run, args=(run,), name="table stage", daemon=True).start()
    return done
