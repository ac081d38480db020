"""The runner's law: each row ends somewhere, the order of execution never shows, memory is bounded by the window."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.engine.context import StageContext
from metaalign_data.engine.counts import unbalanced
from metaalign_data.engine.flow import Stopped
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.run import Runner
from metaalign_data.errors import BudgetReached, TeacherError, UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import BadRow
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query
from metaalign_data.stage import Context, Reject
from teachers import Telling

LIBRARY = Library()


def queries(n: int) -> list[Query]:
    return [Query(key=str(i), text=f"question {i}", source="test") for i in range(n)]


class Split:
    """Two rows out of one, each after a random wait."""

    async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
        await asyncio.sleep(Random().random() / 200)
        return [row.model_copy(update={"key": row.key + half}) for half in "ab"]


class Sort:
    """Passes, rejects, fails or raises by the row's number."""

    async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
        await asyncio.sleep(Random().random() / 200)
        match int(row.key[:-1]) % 4:
            case 0:
                return [row]
            case 1:
                return [Reject("unwanted", "by number")]
            case 2:
                raise TeacherError("timeout", "no answer in 5 s")
            case _:
                raise ZeroDivisionError


class DropOdd:
    columns = ("key",)

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        odd = pl.col("key").str.ends_with("b")
        return table.with_columns(reject_reason=pl.when(odd).then(pl.lit("odd")), reject_detail=pl.lit("ends with b"))


def runner(folder: Path, *stages: object, window: int = 8) -> Runner:
    specs = [StageSpec(type(stage).__name__.lower(), stage, {}) for stage in stages]

    def context(name: str) -> StageContext:
        teacher = Telling()
        return StageContext(LIBRARY, teacher, teacher, 0, name)

    return Runner(specs, RunFolder(folder), context, window=window)


async def test_every_row_ends_as_record_reject_or_failure_and_is_kept(tmp_path: Path) -> None:
    r = runner(tmp_path, Split(), Sort())
    bad = BadRow(reason="empty_text", detail="", where="q.jsonl:3", raw="{}")
    rows = (await r.run([*queries(8), bad])).collect()
    assert unbalanced(r.counts) == []
    assert {name: c.as_dict() | {"reasons": None} for name, c in r.counts.items()} == {
        "queries": {"in": 9, "passed": 8, "rejected": 1, "failed": 0, "out": 8, "reasons": None},
        "split": {"in": 8, "passed": 8, "rejected": 0, "failed": 0, "out": 16, "reasons": None},
        "sort": {"in": 16, "passed": 4, "rejected": 4, "failed": 8, "out": 4, "reasons": None},
    }
    assert rows["key"].to_list() == ["0a", "0b", "4a", "4b"]
    rejects = pl.read_parquet(tmp_path / "rejects/sort.parquet")
    assert rejects["reason"].to_list() == ["unwanted"] * 4
    assert json.loads(rejects["row"][0])["key"] == "1a"
    assert pl.read_parquet(tmp_path / "rejects/queries.parquet")["row_id"].to_list() == ["q.jsonl:3"]
    failures = pl.read_parquet(tmp_path / "failures.parquet")
    assert failures["reason"].to_list() == ["timeout", "timeout", "ZeroDivisionError", "ZeroDivisionError"] * 2
    assert "Traceback" in failures["error"][2]
    assert failures["error"][0] == "no answer in 5 s"


@settings(max_examples=10, deadline=None)
@given(window=st.integers(1, 40))
def test_output_does_not_depend_on_the_order_of_execution(
    tmp_path_factory: pytest.TempPathFactory, window: int
) -> None:
    def once() -> list[dict[str, object]]:
        folder = tmp_path_factory.mktemp("run")
        rows = asyncio.run(runner(folder, Split(), Sort(), DropOdd(), window=window).run(queries(20)))
        return [*rows.collect().to_dicts(), *pl.read_parquet(folder / "rejects/sort.parquet").to_dicts()]

    assert once() == once()


async def test_no_more_rows_are_in_work_than_the_window_holds(tmp_path: Path) -> None:
    class Watch:
        now = peak = 0

        async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
            Watch.now += 1
            Watch.peak = max(Watch.peak, Watch.now)
            await asyncio.sleep(0.001)
            Watch.now -= 1
            return [row]

    await runner(tmp_path, Watch(), window=5).run(queries(50))
    assert Watch.peak == 5


async def test_a_table_stage_that_loses_rows_is_an_error(tmp_path: Path) -> None:
    class Lose:
        columns = ()

        def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
            return table.head(3)

    with pytest.raises(UserError, match="lose took 8 rows and gave 3"):
        await runner(tmp_path, Split(), Lose()).run(queries(4))


async def test_dropped_table_rows_are_kept_with_their_reason(tmp_path: Path) -> None:
    r = runner(tmp_path, Split(), DropOdd())
    rows = (await r.run(queries(3))).collect()
    assert rows["key"].to_list() == ["0a", "1a", "2a"]
    assert unbalanced(r.counts) == []
    assert pl.read_parquet(tmp_path / "rejects/dropodd.parquet")["detail"].to_list() == ["ends with b"] * 3


async def test_a_stage_that_returns_nothing_fails_the_row(tmp_path: Path) -> None:
    class Nothing:
        async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
            return []

    r = runner(tmp_path, Nothing())
    await r.run(queries(2))
    assert r.counts["nothing"].reasons == {"failed: TypeError": 2}


@pytest.mark.parametrize("stop", [BudgetReached("no money"), Stopped("enough")])
async def test_a_stop_keeps_what_has_ended_and_is_raised(tmp_path: Path, stop: Exception) -> None:
    class StopAtFive:
        async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
            if row.key == "5":
                raise stop
            return [row]

    r = runner(tmp_path, StopAtFive(), window=1)
    with pytest.raises(type(stop)):
        await r.run(queries(50))
    done = pl.read_parquet(tmp_path / "tables/stopatfive/*.parquet")["key"].to_list()
    assert done[:5] == ["0", "1", "2", "3", "4"]
    assert "49" not in done
