"""What a stage is tested with, ours and yours: a context that costs nothing, and the laws that every stage keeps.

async def test_drop_short_keeps_the_laws_of_a_stage():
    await check_stage(DropShort(DropShort.Config()), rows)
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from metaalign_data.engine.context import StageContext
from metaalign_data.prompting import Library
from metaalign_data.records import Record, from_frame, to_frame
from metaalign_data.registry import config_of, make_stage, stage_types
from metaalign_data.stage import Context, Reject, RowStage, Stage, TableStage
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.simulated import SimulatedTeacher
from metaalign_data.teacher.structured import Structured

REJECT_COLUMNS = ("reject_reason", "reject_detail")
JSON_ATTEMPTS = 3
_REASON = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

__all__ = ["StageContext", "check_stage", "context"]


def context(
    seed: int = 0,
    teacher: Teacher | None = None,
    judge: Teacher | Sequence[Teacher] = (),
    stage: str = "test",
    weak_teacher: Teacher | None = None,
    folder: Path | None = None,
) -> StageContext:
    """A context over the bundled prompts. The teacher is simulated unless given, the judge is the teacher.

    `judge` may be one or several; there is no weak teacher unless given. Relative paths count from `folder`, by default
    the current one.

    As in a run, an answer that reaches the stage is whole and, where JSON was asked for, that JSON.
    """
    library = Library()
    asked = teacher or SimulatedTeacher(SimulatedTeacher.Config())
    whole = Structured(asked, library, JSON_ATTEMPTS)
    given = judge if isinstance(judge, Sequence) else (judge,)
    judges = tuple(Structured(each, library, JSON_ATTEMPTS) for each in given)
    weak = Structured(weak_teacher, library, JSON_ATTEMPTS) if weak_teacher else None
    return StageContext(library, whole, judges or (whole,), seed, stage, weak, folder or Path())


async def check_stage(stage: Stage, rows: Sequence[Record], ctx: Context | None = None) -> None:
    """Raises AssertionError with a sentence on the first law that the stage breaks with these rows.

    A row stage gives at least one record or Reject for each row, of the types that it declares; the same ones again, in
    any order of the rows, and when it is built anew from its settings; its records survive JSON and a table. A table
    stage keeps the columns and the rows, drops only by `reject_reason`, and does not mind the order. What the stage
    raises itself is passed on.
    """
    ctx, name = ctx or context(), type(stage).__name__
    _hold(bool(rows), "check_stage needs at least one row")
    before = [row.model_dump_json() for row in rows]
    if isinstance(stage, RowStage):
        await _check_row_stage(stage, rows, ctx)
    elif isinstance(stage, TableStage):
        _check_table_stage(stage, rows, ctx)
    else:
        _hold(False, f"{name} is no stage: it needs `process`, or `transform` and `columns`")
    _hold([row.model_dump_json() for row in rows] == before, f"{name} has changed its input")


def _hold(law: bool, sentence: str) -> None:
    if not law:
        raise AssertionError(sentence)


async def _check_row_stage(stage: RowStage[Any, Any], rows: Sequence[Record], ctx: Context) -> None:
    name, types = type(stage).__name__, stage_types(type(stage))
    if types is None:
        raise AssertionError(f"{name}.process does not say what it takes and gives")

    async def results(by: RowStage[Any, Any], of: Sequence[Record]) -> list[Any]:
        return [await by.process(row, ctx) for row in of]

    first = await results(stage, rows)
    for row, result in zip(rows, first, strict=True):
        _check_result(name, row, result, types[1])
    _hold(await results(stage, rows) == first, f"{name} gives something else the second time")
    backwards = await results(stage, rows[::-1])
    _hold(backwards[::-1] == first, f"{name} gives something else when the rows come in another order")
    rebuilt = _rebuilt(stage)
    if isinstance(rebuilt, RowStage):
        again = await results(rebuilt, rows)
        _hold(again == first, f"{name} gives something else when it is built anew from its settings")


def _check_result(name: str, row: Record, results: Any, gives: type[Record]) -> None:
    _hold(isinstance(results, list | tuple), f"{name} returned {results!r:.200} for row {row.id}; return a list")
    _hold(len(results) > 0, f"{name} returned nothing for row {row.id}; return a Reject")
    made: list[Record] = []
    for result in results:
        if isinstance(result, Reject):
            _check_reason(name, result.reason)
        else:
            fits = isinstance(result, gives)
            _hold(fits, f"{name} returned {type(result).__name__} where it declares {gives.__name__}")
            made.append(result)
    for record in made:
        copy = type(record).model_validate_json(record.model_dump_json())
        _hold(
            (copy, copy.id) == (record, record.id), f"{name}: a {gives.__name__} does not survive JSON: {record!r:.200}"
        )
    _hold(len({record.id for record in made}) == len(made), f"{name} gave one {gives.__name__} twice for row {row.id}")
    _hold(from_frame(to_frame(made, gives), gives) == made, f"{name}: {gives.__name__} rows do not survive a table")


def _check_reason(name: str, reason: str) -> None:
    _hold(_REASON.fullmatch(reason) is not None, f"{name}: the reason {reason!r} is not snake_case")


def _rebuilt(stage: RowStage[Any, Any]) -> Stage | None:
    """The stage made again from its settings as JSON; None where it does not keep them as `config`."""
    config = getattr(stage, "config", None)
    if not isinstance(config, BaseModel):
        return None
    return make_stage(type(stage), config_of(type(stage)).model_validate_json(config.model_dump_json()))


def _check_table_stage(stage: TableStage, rows: Sequence[Record], ctx: Context) -> None:
    name, table = type(stage).__name__, to_frame(rows, type(rows[0]))

    def transformed(before: pl.DataFrame) -> pl.DataFrame:
        return stage.transform(before.lazy(), ctx).collect()

    missing = sorted(set(stage.columns) - set(table.columns))
    _hold(not missing, f"{name} reads columns that {type(rows[0]).__name__} rows do not have: {missing}")
    first = transformed(table)
    given = {column: dtype for column, dtype in first.schema.items() if column not in REJECT_COLUMNS}
    wrong = sorted(column for column, _ in given.items() ^ dict(table.schema).items())
    _hold(not wrong, f"{name} adds, loses or retypes columns: {list(dict.fromkeys(wrong))}")
    _hold(
        sorted(first["id"]) == sorted(table["id"]),
        f"{name} took {table.height} rows and gave {first.height}, or others; drop a row by a reason in reject_reason",
    )
    if "reject_reason" in first.columns:
        for reason in first["reject_reason"].drop_nulls():
            _check_reason(name, reason)
    _hold(transformed(table).equals(first), f"{name} gives something else the second time")
    for order in (table.reverse(), table.sample(fraction=1, shuffle=True, seed=1)):
        again = transformed(order).select(first.columns)
        _hold(
            again.sort("id").equals(first.sort("id")),
            f"{name} gives something else when the rows come in another order",
        )
