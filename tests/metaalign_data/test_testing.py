"""check_stage finds each broken law and says which; context gives stages what a run gives them."""

from collections.abc import Sequence
from random import Random

import polars as pl
import pytest
from pydantic import BaseModel

from handmade import query, saying
from metaalign_data.errors import TeacherError, UserError
from metaalign_data.records import Query
from metaalign_data.stage import Context, Reject
from metaalign_data.testing import check_stage, context
from teachers import Telling, answer

ROWS = [query(key=str(i)) for i in range(4)]
Results = Sequence[Query | Reject]


class Fine:
    class Config(BaseModel, frozen=True):
        suffix: str = "!"

    def __init__(self, config: Config) -> None:
        self.config = config

    async def process(self, row: Query, ctx: Context) -> Results:
        drawn = ctx.rng(row).random()
        return [row.model_copy(update={"key": f"{row.key} {drawn}"}), Reject("too_short", "why")]


class GivesNothing:
    async def process(self, row: Query, ctx: Context) -> Results:
        return []


class GivesNone:
    async def process(self, row: Query, ctx: Context) -> Results:
        return None  # type: ignore[return-value]


class GivesAnotherType:
    async def process(self, row: Query, ctx: Context) -> Results:
        return ["text"]  # type: ignore[list-item]


class GivesTwice:
    async def process(self, row: Query, ctx: Context) -> Results:
        return [row, row]


class Shouts:
    async def process(self, row: Query, ctx: Context) -> Results:
        return [Reject("Too short!")]


class Counts:
    def __init__(self) -> None:
        self.n = 0

    async def process(self, row: Query, ctx: Context) -> Results:
        self.n += 1
        return [row.model_copy(update={"key": str(self.n)})]


class LooksBack:
    """The same each time, as long as the rows come in the same order."""

    def __init__(self) -> None:
        self.last = ""

    async def process(self, row: Query, ctx: Context) -> Results:
        before, self.last = self.last, row.key
        return [row.model_copy(update={"source": "early" if before < row.key or row.key == "0" else "late"})]


class ForgetsItsSettings:
    class Config(BaseModel, frozen=True):
        n: int = 0

    def __init__(self, config: Config) -> None:
        self.config, self.made = self.Config(), config.n

    async def process(self, row: Query, ctx: Context) -> Results:
        return [row.model_copy(update={"key": f"{row.key}{self.made}"})]


class ChangesItsInput:
    async def process(self, row: Query, ctx: Context) -> Results:
        object.__setattr__(row, "source", "changed")
        return [Reject("gone")]


class Unannotated:
    async def process(self, row, ctx):  # type: ignore[no-untyped-def]
        return [row]


class NoStage:
    pass


@pytest.mark.parametrize(
    ("stage", "law"),
    [
        (GivesNothing(), "GivesNothing returned nothing for row .*; return a Reject"),
        (GivesNone(), "GivesNone returned None for row .*; return a list"),
        (GivesAnotherType(), "GivesAnotherType returned str where it declares Query"),
        (GivesTwice(), "GivesTwice gave one Query twice for row"),
        (Shouts(), "Shouts: the reason 'Too short!' is not snake_case"),
        (Counts(), "Counts gives something else the second time"),
        (LooksBack(), "LooksBack gives something else when the rows come in another order"),
        (ForgetsItsSettings(ForgetsItsSettings.Config(n=1)), "something else when it is built anew from its settings"),
        (ChangesItsInput(), "ChangesItsInput has changed its input"),
        (NoStage(), "NoStage is no stage"),
    ],
)
async def test_a_row_stage_that_breaks_a_law_is_told_which(stage: object, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        await check_stage(stage, [query(key=str(i)) for i in range(4)])  # type: ignore[arg-type]


async def test_a_stage_that_keeps_the_laws_passes() -> None:
    await check_stage(Fine(Fine.Config()), ROWS)


async def test_no_rows_prove_nothing() -> None:
    with pytest.raises(AssertionError, match="at least one row"):
        await check_stage(Fine(Fine.Config()), [])


async def test_what_a_stage_raises_is_passed_on() -> None:
    class Fails:
        async def process(self, row: Query, ctx: Context) -> Results:
            raise TeacherError("timeout", "late")

    with pytest.raises(TeacherError, match="late"):
        await check_stage(Fails(), ROWS)


class Table:
    """A table stage that does what it is told."""

    columns: Sequence[str] = ("key",)

    def __init__(self, change: object) -> None:
        self.change = change

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        changed: pl.LazyFrame = self.change(table)  # type: ignore[operator]
        return changed


def dropping(table: pl.LazyFrame) -> pl.LazyFrame:
    odd = pl.col("key").is_in(["1", "3"])
    return table.with_columns(reject_reason=pl.when(odd).then(pl.lit("odd")), reject_detail=pl.lit("by key"))


async def test_a_table_stage_that_keeps_the_laws_passes() -> None:
    for change in (dropping, lambda table: table, lambda table: dropping(table).sort("key", descending=True)):
        await check_stage(Table(change), ROWS)


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda t: t.with_columns(new=pl.lit(1)), r"adds, loses or retypes columns: \['new'\]"),
        (lambda t: t.drop("source"), r"adds, loses or retypes columns: \['source'\]"),
        (lambda t: t.with_columns(key=pl.col("key").cast(pl.Int64)), r"adds, loses or retypes columns: \['key'\]"),
        (lambda t: t.filter(pl.col("key") != "1"), "took 4 rows and gave 3, or others; drop a row by a reason"),
        (lambda t: pl.concat([t, t]), "took 4 rows and gave 8"),
        (lambda t: t.with_columns(reject_reason=pl.lit("No!")), "the reason 'No!' is not snake_case"),
        (lambda t: t.with_columns(source=pl.lit(str(Random().random()))), "something else the second time"),
        (
            lambda t: t.with_columns(source=pl.int_range(pl.len()).cast(pl.String)),
            "when the rows come in another order",
        ),
    ],
)
async def test_a_table_stage_that_breaks_a_law_is_told_which(change: object, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        await check_stage(Table(change), ROWS)


async def test_a_table_stage_reads_only_columns_that_there_are() -> None:
    stage = Table(dropping)
    stage.columns = ("key", "colour")
    with pytest.raises(AssertionError, match=r"Query rows do not have: \['colour'\]"):
        await check_stage(stage, ROWS)


def test_randomness_follows_from_seed_stage_and_row_alone() -> None:
    drawn = [
        context(seed, stage=stage).rng(query(key=key)).random()
        for seed, stage, key in ((0, "a", "x"), (0, "a", "x"), (1, "a", "x"), (0, "b", "x"), (0, "a", "y"))
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4


async def test_the_default_teacher_writes_what_is_asked_for() -> None:
    ctx = context()
    request = ctx.render("write_opinion_questions", query="Should I get a dog?", questions="2")
    text = (await ctx.teacher.complete(request)).text
    assert request.output is not None
    assert request.output.model_validate_json(text)
    assert ctx.judge is ctx.teacher


async def test_a_given_teacher_gives_whole_answers_as_in_a_run() -> None:
    ctx = context(
        teacher=saying('Sure: ```json\n{"text": "x"}\n```'), judge=Telling(answer("", finish_reason="refused"))
    )
    request = ctx.render("write_explicit_preference", speaker="user", dimension="d", value="v", meaning="m", style="s")
    assert (await ctx.teacher.complete(request)).text == '{"text": "x"}'
    with pytest.raises(TeacherError) as e:
        await ctx.judge.complete(request)
    assert e.value.reason == "refused"


async def test_a_stage_without_type_hints_is_refused_with_the_reason() -> None:
    with pytest.raises(UserError, match="does not say what it takes and gives"):
        await check_stage(Unannotated(), ROWS)
