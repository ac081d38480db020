"""What stages that compare rows read from a table, and what they keep whole in it."""

import polars as pl

from metaalign_data.errors import UserError

PARTNERS = ("flip_id", "twin_id")
"""Columns whose value is shared by two rows, and means nothing where one of them is gone."""


def texts(column: pl.Series) -> list[str]:
    """A text for each row, "" for a null; the contents of messages are joined. Raises UserError on other types."""
    if column.dtype == pl.String:
        return [text or "" for text in column.to_list()]
    inner = column.dtype.inner if isinstance(column.dtype, pl.List) else None
    if isinstance(inner, pl.Struct) and pl.Field("content", pl.String) in inner.fields:
        return ["\n".join(message["content"] for message in messages or ()) for messages in column.to_list()]
    raise UserError(f"the column '{column.name}' cannot be compared: it holds neither text nor messages")


def without_lone_partners(rows: pl.DataFrame) -> pl.DataFrame:
    """A row whose partner is not there, or rejected (`reject_reason`), is half of no flip or twin: the id is null."""
    kept = pl.col("reject_reason").is_null()
    for partner in PARTNERS:
        if partner in rows.columns:
            lone = kept & (kept.sum().over(partner) < 2)
            rows = rows.with_columns(pl.when(lone).then(None).otherwise(pl.col(partner)).alias(partner))
    return rows
