"""What stages that compare rows read from a table, and what they keep whole in it."""

from collections.abc import Iterable

import polars as pl

from metaalign_data.errors import UserError

PARTNERS = ("flip_id", "twin_id")
"""Columns whose value is shared by two rows, and means nothing where one of them is gone."""

MARKS = ("reject_reason", "reject_detail")
"""Columns by which a table stage drops a row."""


def texts(column: pl.Series) -> list[str]:
    """A text for each row, "" for a null; the contents of messages are joined. Raises UserError on other types."""
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return [text or "" for text in column.to_list()]
    inner = column.dtype.inner if isinstance(column.dtype, pl.List) else None
    if isinstance(inner, pl.Struct) and pl.Field("content", pl.String) in inner.fields:
        return ["\n".join(said["content"] or "" for said in messages or () if said) for messages in column.to_list()]
    raise UserError(f"the column '{column.name}' cannot be compared: it holds neither text nor messages")


def without_lone_partners(rows: pl.DataFrame) -> pl.DataFrame:
    """A row whose partner is not there, or rejected (`reject_reason`), is half of no flip or twin: the id is null.

    Of a table of nothing but flips, as `pair: {flips: only}` makes it, such a row is rejected itself: "no_flip".
    """
    kept = pl.col("reject_reason").is_null()
    if "flip_id" in rows.columns and rows["flip_id"].null_count() == 0:
        left = kept & (kept.sum().over("flip_id") < 2) & (pl.len().over("flip_id") > 1)
        told = {"reject_reason": "no_flip", "reject_detail": "the other half of the flip was dropped"}
        rows = rows.with_columns(
            pl.when(left).then(pl.lit(text)).otherwise(name).alias(name) for name, text in told.items()
        )
    for partner in PARTNERS:
        if partner in rows.columns:
            lone = kept & (kept.sum().over(partner) < 2)
            rows = rows.with_columns(pl.when(lone).then(None).otherwise(pl.col(partner)).alias(partner))
    return rows


def kin(rows: pl.DataFrame) -> list[str | None]:
    """For each row an id that it shares with its flip and its twin, and with theirs; None where it has neither.

    They hold the same two responses by intent, and the preference too where the twins differ in what loses.
    """
    names = [pl.col(n) if n in rows.columns else pl.lit(None, pl.String).alias(n) for n in PARTNERS]
    found = rows.select("id", *names).with_columns(kin=pl.coalesce(PARTNERS))
    for partner in PARTNERS[::-1] * 2:
        shared = pl.col("kin").min().over(partner)
        found = found.with_columns(kin=pl.when(pl.col(partner).is_null()).then("kin").otherwise(shared))
    return found["kin"].to_list()


def marked(table: pl.LazyFrame, marks: pl.DataFrame) -> pl.LazyFrame:
    """The table with the columns of `marks`, row by row, in place of its own or beside them.

    What else is in the table is not read before the result is: a stage that collects only what it compares needs no
    memory for the rest.
    """
    return pl.concat([table.drop(marks.columns, strict=False), marks.lazy()], how="horizontal")


def there(table: pl.LazyFrame, names: Iterable[str]) -> list[str]:
    """Those of the names that the table has as columns, each once."""
    columns = table.collect_schema().names()
    return [name for name in dict.fromkeys(names) if name in columns]
