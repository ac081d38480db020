"""Duplicates out, by the cheapest rule that finds them; every dropped row names the kept row that it duplicates."""

from collections.abc import Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.duplicates import Exact, Lexical, Rule, RuleName, Semantic, cover
from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.errors import UserError
from metaalign_data.stage import Context

EXACTLY = "equal but for case and white space"
MEASURES: dict[RuleName, str] = {"lexical": "Jaccard", "semantic": "cosine"}
FOUND = {"__row": pl.UInt32, "duplicate_of": pl.String, "similarity": pl.Float64, "rule": pl.String}


class Dedup:
    """Drops duplicates: rows that one of the `rules` finds near a kept row in every one of the columns `on`.

    exact: equal but for case and white space; lexical: three-word sequences shared; semantic: cosine of embeddings.
    Rows are taken by `keep`, highest first, ties by id, whatever order they come in: no two kept rows are near each
    other, and each dropped row is near the one that it names. The rows of one flip are never compared; a flip that
    loses one is none any more, so the other loses its flip_id. Reasons: "exact_duplicate", "lexical_duplicate" and
    "semantic_duplicate".
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        on: tuple[str, ...] = Field(
            default=("preference", "chosen", "rejected"), min_length=1, description="columns to compare"
        )
        rules: tuple[RuleName, ...] = Field(
            default=("exact", "lexical", "semantic"), min_length=1, description="what counts as near, cheapest first"
        )
        threshold: float = Field(default=0.92, gt=0.0, le=1.0, description="cosine from which rows are duplicates")
        lexical_threshold: float = Field(
            default=0.8, gt=0.0, le=1.0, description="share of three-word sequences from which rows are duplicates"
        )
        embedder: str = Field(default=HASHED_NGRAMS, description="hashed-ngrams, or a sentence-transformers model")
        per: str | None = Field(default="subset", description="compare only rows that agree in this column; null: all")
        keep: str | None = Field(
            default="margin", description="of duplicates, the row with the highest value here stays; null: any"
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self._embed = embedder(config.embedder).embed

    @property
    def columns(self) -> Sequence[str]:
        return [*self.config.on, *filter(None, (self.config.keep, self.config.per))]

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        rows = table.collect()
        alike = pl.format("{} {}", pl.col("rule").replace(MEASURES), pl.col("similarity").round(3))
        measure = pl.when(pl.col("rule") == "exact").then(pl.lit(EXACTLY)).otherwise(alike)
        marked = self.compared(rows, ctx).with_columns(
            reject_reason=pl.col("rule") + "_duplicate",
            reject_detail=pl.format("of {}, {} on {}", "duplicate_of", measure, pl.lit(", ".join(self.config.on))),
        )
        return _without_lone_flips(marked.drop("duplicate_of", "similarity", "rule")).lazy()

    def compared(self, rows: pl.DataFrame, ctx: Context) -> pl.DataFrame:
        """The rows with three more columns, null where a row is kept: `duplicate_of` (the id of the kept row),
        `similarity` and `rule`. Works on any frame that has an `id` and the columns of the settings.
        """
        keep = [pl.col(self.config.keep).rank("dense", descending=True)] if self.config.keep else []
        numbered = rows.with_row_index("__row")
        ranked = numbered.sort([*keep, "id"], nulls_last=True)
        apart = self.config.per is not None and not rows.is_empty()
        groups = ranked.partition_by(self.config.per or "id", maintain_order=True) if apart else [ranked]
        found = [self._found(group, ctx) for group in groups]
        return numbered.join(pl.concat(found), on="__row", maintain_order="left").drop("__row")

    def _found(self, rows: pl.DataFrame, ctx: Context) -> pl.DataFrame:
        texts = [_texts(rows[name]) for name in self.config.on]
        flips = rows["flip_id"].to_list() if "flip_id" in rows.columns else [None] * rows.height
        ids = rows["id"].to_list()
        semantic = Semantic(texts, self.config.threshold, flips, self._embed, ids)
        rules: dict[RuleName, Rule] = {
            "exact": Exact(texts, flips),
            "lexical": Lexical(texts, self.config.lexical_threshold, flips),
            "semantic": semantic,
        }
        verdicts = cover(rows.height, [rule for name, rule in rules.items() if name in self.config.rules])
        return pl.DataFrame(
            {
                "__row": rows["__row"],
                "duplicate_of": [found and ids[found.of] for found in verdicts],
                "similarity": [found and found.similarity for found in verdicts],
                "rule": [found and found.rule for found in verdicts],
            },
            schema=FOUND,
        )


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
