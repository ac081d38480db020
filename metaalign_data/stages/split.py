"""Train and test sets that share no query and no preference, not even near-duplicates of them."""

from collections.abc import Sequence
from functools import partial

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.embed import HASHED_NGRAMS, EmbedderName, embedder
from metaalign_data.records import Split as Name
from metaalign_data.stage import Context, RunSource
from metaalign_data.stages.columns import marked, texts, there
from metaalign_data.stages.holdout import NO_SIDES, Groups, Sides

ONE_JUDGEMENT = ("judgement_id", "flip_id", "twin_id")
QUERY_BONDS = ("query_id", *ONE_JUDGEMENT)
PREFERENCE_BONDS = (*ONE_JUDGEMENT, "user_id")
"""Columns whose equal values keep rows on one side, as far as the table has them."""


class Split:
    """Assigns each row to train, or to the test set that says what train lacks: the query, the preference or both.

    Queries are one group when they are near-duplicates or of one source query or judgement, preferences when they are
    near-duplicates or of one judgement or user; groups are transitive. Of each subset about a share of the groups is
    held out, whole, and train is what holds no such group. So nothing unseen has a near-duplicate in train, and flips
    and twins stay together. Each group is drawn by a hash of its own: other rows do not move it, except by joining it;
    with `earlier` these do not move it either, except into train where they unite it with a group of train.
    A preference that was written for a held-out query alone is unseen as well; `test` holds preferences that train has.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        test: float = Field(default=0.05, ge=0.0, lt=1.0, description="share of rows whose queries are held out")
        unseen_preferences: float = Field(
            default=0.05, ge=0.0, lt=1.0, description="share of rows whose preferences are held out"
        )
        threshold: float = Field(default=0.92, gt=0.0, le=1.0, description="cosine from which texts are one group")
        embedder: EmbedderName = Field(
            default=HASHED_NGRAMS,
            description="hashed-ngrams, a sentence-transformers model, or {model, base_url, ...} behind a server",
        )
        earlier: str | None = Field(
            default=None, description="directory of an earlier run: what was in train there, or held out, is so again"
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        if isinstance(config.embedder, str):
            embedder(config.embedder)  # says at once where the package is missing

    @property
    def columns(self) -> Sequence[str]:
        return ("query", "preference", "subset")

    @property
    def reads(self) -> Sequence[RunSource]:
        return [RunSource(self.config.earlier)] if self.config.earlier else []

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        rows = table.select(there(table, ("id", *self.columns, *QUERY_BONDS, *PREFERENCE_BONDS))).collect()
        queries = self._groups(rows, "query", QUERY_BONDS, ctx)
        preferences = self._groups(rows, "preference", PREFERENCE_BONDS, ctx)
        earlier = ctx.pairs(RunSource(self.config.earlier)) if self.config.earlier else None
        subsets = rows["subset"].to_list()
        train = ~queries.held_out(self.config.test, subsets, _sides(earlier, "query"))
        train &= ~preferences.held_out(self.config.unseen_preferences, subsets, _sides(earlier, "preference"))
        seen = zip(train, queries.among(train), preferences.among(train), strict=True)
        split = pl.Series("split", [_name(*row) for row in seen], dtype=pl.String)
        if earlier is not None and (moved := _moved(rows.with_columns(split), earlier)):
            ctx.note(
                f"{moved} rows that were held out in {self.config.earlier} are in train now: "
                "their groups are one with groups of train, or too large to be held out"
            )
        return marked(table, split.to_frame())

    def _groups(self, rows: pl.DataFrame, text: str, bonds: Sequence[str], ctx: Context) -> Groups:
        shared = [rows[bond] for bond in bonds if bond in rows.columns]
        embed = partial(ctx.embed, self.config.embedder)
        return Groups(texts(rows[text]), shared, embed, self.config.threshold, salt=f"{ctx.seed}-{text}")


def _sides(earlier: pl.DataFrame | None, text: str) -> Sides:
    return NO_SIDES if earlier is None else Sides.of(earlier[text], earlier["split"] == "train")


def _moved(rows: pl.DataFrame, earlier: pl.DataFrame) -> int:
    """How many rows of train were held out earlier."""
    train, held_out = rows.filter(pl.col("split") == "train"), earlier.filter(pl.col("split") != "train")
    return train.join(held_out, on="id", how="semi").height


def _name(train: bool, query_seen: bool, preference_seen: bool) -> Name:
    if train:
        return "train"
    if query_seen:
        return "test_unseen_preferences"
    return "test" if preference_seen else "test_unseen_queries_and_preferences"
