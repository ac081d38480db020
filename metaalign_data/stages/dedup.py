"""Near-duplicate rows out, by embeddings; every dropped row names the kept row that it duplicates."""

from collections.abc import Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.embed import HASHED_NGRAMS, Vectors, embedder, normalised
from metaalign_data.errors import UserError
from metaalign_data.neighbours import Duplicate, greedy_cover
from metaalign_data.stage import Context


class Dedup:
    """Drops near-duplicates: rows as close as `threshold` to a kept row in every one of the columns `on`.

    Rows are taken by `keep`, highest first, ties by id, whatever order they come in: no two kept rows are that close,
    and each dropped row is to the one that it names. The rows of one flip are never compared; a flip that loses one
    is none any more, so the other loses its flip_id. Reasons: "exact_duplicate" (equal but for case and white space)
    and "near_duplicate".
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        on: tuple[str, ...] = Field(
            default=("preference", "chosen", "rejected"), min_length=1, description="columns to compare"
        )
        threshold: float = Field(default=0.92, gt=0.0, le=1.0, description="cosine from which rows are duplicates")
        embedder: str = Field(default=HASHED_NGRAMS, description="hashed-ngrams, or a sentence-transformers model")
        per: str | None = Field(default="subset", description="compare only rows that agree in this column; null: all")
        keep: str = Field(default="margin", description="of duplicates, the row with the highest value here stays")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._embedder = embedder(config.embedder)

    @property
    def columns(self) -> Sequence[str]:
        return [*self.config.on, self.config.keep, *([self.config.per] if self.config.per else [])]

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        rows = table.collect().with_row_index("__order")
        ranked = rows.sort([self.config.keep, "id"], descending=[True, False], nulls_last=True)
        groups = ranked.partition_by(self.config.per, maintain_order=True) if self.config.per else [ranked]
        marked = pl.concat([self._mark(group) for group in groups]) if rows.height else self._mark(ranked)
        return _without_lone_flips(marked.sort("__order").drop("__order")).lazy()

    def _mark(self, rows: pl.DataFrame) -> pl.DataFrame:
        texts = [_texts(rows[name]) for name in self.config.on]
        vectors = [self._embed(column) for column in texts]
        flips = rows["flip_id"].to_list() if "flip_id" in rows.columns else [None] * rows.height
        verdicts = greedy_cover(vectors, self.config.threshold, flips)
        ids = rows["id"].to_list()
        found = [self._reason(verdict, row, texts, ids) for row, verdict in enumerate(verdicts)]
        return rows.with_columns(
            pl.Series("reject_reason", [reason for reason, _ in found], dtype=pl.String),
            pl.Series("reject_detail", [detail for _, detail in found], dtype=pl.String),
        )

    def _embed(self, texts: Sequence[str]) -> Vectors:
        """Each distinct text is embedded once."""
        distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        return self._embedder.embed(list(distinct))[[distinct[text] for text in texts]]

    def _reason(
        self, verdict: Duplicate | None, row: int, texts: Sequence[Sequence[str]], ids: Sequence[str]
    ) -> tuple[str | None, str | None]:
        if verdict is None:
            return None, None
        same = all(normalised(column[row]) == normalised(column[verdict.of]) for column in texts)
        detail = f"of {ids[verdict.of]}, cosine {verdict.cosine:.3f} on {' and '.join(self.config.on)}"
        return ("exact_duplicate" if same else "near_duplicate"), detail


def _texts(column: pl.Series) -> list[str]:
    """A text for each row, "" for a null; the contents of messages are joined. Raises UserError on other types."""
    if column.dtype == pl.String:
        return [text or "" for text in column.to_list()]
    inner = column.dtype.inner if isinstance(column.dtype, pl.List) else None
    if isinstance(inner, pl.Struct) and pl.Field("content", pl.String) in inner.fields:
        return ["\n".join(message["content"] for message in messages or ()) for messages in column.to_list()]
    raise UserError(f"dedup cannot compare the column '{column.name}': it holds neither text nor messages")


def _without_lone_flips(rows: pl.DataFrame) -> pl.DataFrame:
    if "flip_id" not in rows.columns:
        return rows
    dropped = rows.filter(pl.col("reject_reason").is_not_null())["flip_id"].drop_nulls()
    lone = pl.col("flip_id").is_in(dropped.implode()) & pl.col("reject_reason").is_null()
    return rows.with_columns(flip_id=pl.when(lone).then(None).otherwise(pl.col("flip_id")))
