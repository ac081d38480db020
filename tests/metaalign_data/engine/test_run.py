"""The runner's law: each row ends somewhere, the order of execution never shows, memory is bounded by the window."""

import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaalign_data.engine.accounts import unaccounted
from metaalign_data.engine.context import StageContext
from metaalign_data.engine.counts import unbalanced
from metaalign_data.engine.flow import Stopped, TooManyFailures
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.run import Runner
from metaalign_data.errors import BudgetReached, TeacherError, UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import BadRow
from metaalign_data.recipe import StageSpec
from metaalign_data.records import Query
from metaalign_data.stage import Context, Reject
from metaalign_data.teacher.trail import leave
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


def runner(folder: Path, *stages: object, window: int = 8, **options: Any) -> Runner:
    specs = [StageSpec(type(stage).__name__.lower(), stage, {}) for stage in stages]

    def context(name: str) -> StageContext:
        teacher = Telling()
        return StageContext(LIBRARY, teacher, teacher, 0, name)

    return Runner(specs, RunFolder(folder), context, window=window, **options)


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


class FailFrom:
    """Fails rows from the number `first` on."""

    def __init__(self, first: int) -> None:
        self.first = first

    async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
        if int(row.key) >= self.first:
            raise TeacherError("server_error", "again")
        return [row]


@pytest.mark.parametrize(("rate", "first", "stops"), [(0.2, 80, True), (0.9, 80, False), (0.2, 180, False)])
async def test_a_run_stops_where_too_many_rows_fail_and_says_why(
    tmp_path: Path, rate: float, first: int, stops: bool
) -> None:
    told: list[Exception] = []
    r = runner(tmp_path, FailFrom(first), window=4, max_failure_rate=rate, on_stop=told.append)
    if not stops:
        await r.run(queries(200))
        assert told == []
        return
    with pytest.raises(TooManyFailures, match=r"rows of failfrom came to nothing \(failed: server_error \d+\)"):
        await r.run(queries(200))
    assert len(told) == 1, "whoever asks hears of it"
    assert 100 <= r.counts["failfrom"].taken < 110, "at the share, and not long after"
    assert pl.read_parquet(tmp_path / "failures.parquet").height == r.counts["failfrom"].failed


async def test_few_rows_decide_nothing(tmp_path: Path) -> None:
    await runner(tmp_path, FailFrom(0), max_failure_rate=0.1).run(queries(40))


async def test_useless_answers_count_as_failures_and_a_stages_own_rejects_do_not(tmp_path: Path) -> None:
    class RejectAll:
        def __init__(self, reason: str) -> None:
            self.reason = reason

        async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
            return [Reject(self.reason)]

    await runner(tmp_path / "tie", RejectAll("tie"), max_failure_rate=0.5).run(queries(100))
    with pytest.raises(TooManyFailures, match="rejected: refused"):
        await runner(tmp_path / "refused", RejectAll("refused"), max_failure_rate=0.5).run(queries(100))


async def test_stopping_does_not_wait_for_the_table_stage_that_is_at_work(tmp_path: Path) -> None:
    started, release, finished = threading.Event(), threading.Event(), []

    class Endless:
        columns = ()

        def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
            started.set()
            release.wait(10)
            finished.append(True)
            return table

    r = runner(tmp_path, Split(), Endless())
    running = asyncio.create_task(r.run(queries(4)))
    await asyncio.to_thread(started.wait, 10)
    assert r.at_table == "endless"
    r.stop(Stopped("interrupted"))
    with pytest.raises(Stopped):
        await running
    assert not finished
    release.set()


async def test_what_each_row_was_made_of_and_asked_is_kept_in_an_order_of_its_own(tmp_path: Path) -> None:
    class Ask:
        async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
            await asyncio.sleep(Random().random() / 200)
            leave(f"key of {row.key}")
            return [row.model_copy(update={"key": row.key + half}) for half in "ab"]

    rows = queries(3)
    await runner(tmp_path, Ask()).run(rows)
    asked = pl.read_parquet(tmp_path / "asked/*.parquet")
    assert asked.rows() == [("ask", row.id, f"key of {row.key}", "") for row in rows]
    made = pl.read_parquet(tmp_path / "lineage/*.parquet")
    expected = [("ask", row.id, row.model_copy(update={"key": row.key + half}).id) for row in rows for half in "ab"]
    assert made.rows() == expected


async def test_one_at_a_time_means_in_the_order_of_the_rows_and_what_comes_of_them(tmp_path: Path) -> None:
    seen: list[str] = []

    class Note:
        async def process(self, row: Query, ctx: Context) -> Sequence[Query | Reject]:
            seen.append(f">{row.key}")
            await asyncio.sleep(Random().random() / 500)
            seen.append(f"<{row.key}")
            return [row]

    await runner(tmp_path, Split(), Note(), window=1, serial=True).run(queries(3))
    assert seen == [f"{mark}{i}{half}" for i in range(3) for half in "ab" for mark in "><"]


async def test_what_is_on_disk_is_held_against_the_counts(tmp_path: Path) -> None:
    r = runner(tmp_path, Split(), Sort(), DropOdd())
    await r.run(queries(8))
    folder = RunFolder(tmp_path)
    assert unaccounted(r.counts, folder) == []
    (tmp_path / "rejects/sort.parquet").unlink()
    (tmp_path / "tables/sort/part-00000.parquet").unlink()
    assert unaccounted(r.counts, folder) == [
        "sort: 4 rows were counted for rejects/sort.parquet, which holds 0",
        "sort: 4 rows were counted for tables/sort, which holds 0",
    ]
