"""Duplicates out, by the cheapest rule that finds them; every dropped row names the kept row that it duplicates."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.duplicates import CheapRule, Exact, Lexical, RuleName, Semantic, cover
from metaalign_data.embed import HASHED_NGRAMS, EmbedderName, Vectors, embedder
from metaalign_data.errors import UserError
from metaalign_data.stage import Context
from metaalign_data.stages.columns import MARKS, PARTNERS, kin, marked, there, without_lone_partners
from metaalign_data.stages.columns import texts as texts_of

LOG = logging.getLogger(__name__)

EXACTLY = "equal but for case and white space"
MEASURES: dict[RuleName, str] = {"lexical": "Jaccard", "semantic": "cosine"}
FOUND = {"__row": pl.UInt32, "duplicate_of": pl.String, "similarity": pl.Float64, "rule": pl.String}
VERDICT = tuple(FOUND)[1:]
"""Columns that say of what a row is a duplicate."""


class Tools(Protocol):
    """The part of a Context that comparing takes."""

    def embed(self, embedder: EmbedderName, texts: Sequence[str]) -> Vectors: ...

    def note(self, sentence: str) -> None: ...


class _Alone:
    """Tools outside of a run."""

    def embed(self, name: EmbedderName, texts: Sequence[str]) -> Vectors:
        if isinstance(name, str):
            return embedder(name).embed(texts)
        raise UserError(f"embedding with {name.model} needs a run, or the command line")

    def note(self, sentence: str) -> None:
        LOG.info(sentence)


class Dedup:
    """Drops duplicates: rows that one of the `rules` finds near a kept row in every one of the columns `on`.

    exact: equal but for case and white space; lexical: three-word sequences shared; semantic: cosine of embeddings.
    Rows are taken by `keep`, highest first, ties by id, whatever order they come in: no two kept rows are near each
    other, and each dropped row is near the one that it names. Flips and twins are never compared with each other, but a
    row that is in the table twice stays once; what loses its partner loses its flip_id and twin_id. Reasons:
    "exact_duplicate", "lexical_duplicate", "semantic_duplicate", and "no_flip" for a half that is left over where all
    rows are flips.
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
        embedder: EmbedderName = Field(
            default=HASHED_NGRAMS,
            description="hashed-ngrams, a sentence-transformers model, or {model, base_url, ...} behind a server",
        )
        per: str | None = Field(default="subset", description="compare only rows that agree in this column; null: all")
        keep: str | None = Field(
            default="margin", description="of duplicates, the row with the highest value here stays; null: any"
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        if isinstance(config.embedder, str):
            embedder(config.embedder)  # says at once where the package is missing

    @property
    def columns(self) -> Sequence[str]:
        return [*self.config.on, *filter(None, (self.config.keep, self.config.per))]

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        rows = table.select(there(table, ("id", *self.columns, *PARTNERS))).collect()
        alike = pl.format("{} {}", pl.col("rule").replace(MEASURES), pl.col("similarity").round(3))
        measure = pl.when(pl.col("rule") == "exact").then(pl.lit(EXACTLY)).otherwise(alike)
        verdicts = self.compared(rows, ctx).with_columns(
            reject_reason=pl.col("rule") + "_duplicate",
            reject_detail=pl.format("of {}, {} on {}", "duplicate_of", measure, pl.lit(", ".join(self.config.on))),
        )
        marks = without_lone_partners(verdicts).select(there(verdicts.lazy(), (*PARTNERS, *MARKS)))
        return marked(table, marks)

    def compared(self, rows: pl.DataFrame, tools: Tools | None = None) -> pl.DataFrame:
        """The rows with three more columns, null where a row is kept: `duplicate_of` (the id of the kept row),
        `similarity` and `rule`, in place of its own of these names. Works on any frame that has an `id` and the columns
        of the settings; without `tools`, by an embedder that is no server. Rows of the same id are one row that is
        there several times.
        """
        keep = [_value(rows[self.config.keep]).rank("dense", descending=True)] if self.config.keep else []
        numbered = rows.with_row_index("__row")
        again = numbered.filter(~pl.col("id").is_first_distinct())
        ranked = numbered.filter(pl.col("id").is_first_distinct()).sort([*keep, "id"], nulls_last=True)
        apart = self.config.per is not None and not rows.is_empty()
        groups = ranked.partition_by(self.config.per or "id", maintain_order=True) if apart else [ranked]
        found = pl.concat([self._found(group, tools or _Alone()) for group in groups])
        found = pl.concat([found, _repeated(again, ranked.select("__row", "id").join(found, on="__row"))])
        own = numbered.drop(VERDICT, strict=False)
        return own.join(found, on="__row", maintain_order="left").drop("__row")

    def _found(self, rows: pl.DataFrame, tools: Tools) -> pl.DataFrame:
        texts = [texts_of(rows[name]) for name in self.config.on]
        flips = kin(rows)
        ids = rows["id"].to_list()
        cheap: dict[RuleName, CheapRule] = {
            "exact": Exact(texts, flips),
            "lexical": Lexical(texts, self.config.lexical_threshold, flips),
        }
        semantic = Semantic(texts, self.config.threshold, flips, partial(tools.embed, self.config.embedder), ids)
        used = [rule for name, rule in cheap.items() if name in self.config.rules]
        verdicts = cover(rows.height, used, semantic if "semantic" in self.config.rules else None)
        if semantic.method:
            tools.note(f"near rows by {semantic.method}")
        return pl.DataFrame(
            {
                "__row": rows["__row"],
                "duplicate_of": [found and ids[found.of] for found in verdicts],
                "similarity": [found and found.similarity for found in verdicts],
                "rule": [found and found.rule for found in verdicts],
            },
            schema=FOUND,
        )


def _value(keep: pl.Series) -> pl.Expr:
    """What rows are taken by. A value that is no number is none, not the highest."""
    return pl.col(keep.name).fill_nan(None) if keep.dtype.is_float() else pl.col(keep.name)


def _repeated(again: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """Verdicts on rows that are in the table already, id and all: a run that goes round its queries may make one twice.

    They duplicate the `first` row of their id where that is kept, else the kept row that it duplicates.
    """
    told = again.select("__row", "id").join(first.drop("__row"), on="id", maintain_order="left")
    kept = pl.col("rule").is_null()
    return told.select(
        "__row",
        duplicate_of=pl.when(kept).then("id").otherwise("duplicate_of"),
        similarity=pl.when(kept).then(1.0).otherwise("similarity"),
        rule=pl.when(kept).then(pl.lit("exact")).otherwise("rule"),
    ).cast(FOUND)  # type: ignore[arg-type]
