"""Train and test sets that share no query and no preference, not even near-duplicates of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.neighbours import Indices, clusters, pairs_above
from metaalign_data.records import Split as Name
from metaalign_data.records import digest
from metaalign_data.stage import Context


class Split:
    """Assigns each row to train, test, or one of the unseen test sets; rejects nothing.

    Queries form a group when they come from one source query or are near-duplicates, preferences when they are
    near-duplicates or the two sides of one scenario (so a flip stays whole); groups are transitive. Whole groups are
    held out: a test row's query has no near-duplicate in train, and an unseen preference neither. That is promised; the
    shares are targets. Groups are taken in the order of a hash of their smallest text, as long as the rows stay below
    the share, and one that would lead past 1.5 times the share stays in train. So other rows do not change the order,
    only where it is cut. `test` is about queries: its preferences are not held out, but a preference that was written
    for one query alone goes with it.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        test: float = Field(default=0.05, ge=0.0, lt=1.0, description="share of rows whose queries are held out")
        unseen_preferences: float = Field(
            default=0.05, ge=0.0, lt=1.0, description="share of rows whose preferences are held out"
        )
        threshold: float = Field(default=0.92, gt=0.0, le=1.0, description="cosine from which texts are one group")
        embedder: str = Field(default=HASHED_NGRAMS, description="hashed-ngrams, or a sentence-transformers model")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._embedder = embedder(config.embedder)

    @property
    def columns(self) -> Sequence[str]:
        return ("query", "query_id", "preference", "judgement_id")

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        rows = table.collect()
        queries = self._held_out(rows, "query", "query_id", self.config.test, ctx.seed)
        preferences = self._held_out(rows, "preference", "judgement_id", self.config.unseen_preferences, ctx.seed)
        splits = [_split(*held) for held in zip(queries, preferences, strict=True)]
        return rows.with_columns(split=pl.Series(splits, dtype=pl.String)).lazy()

    def _held_out(self, rows: pl.DataFrame, text: str, bond: str, share: float, seed: int) -> list[bool]:
        """For each row whether its group is held out. Rows with near-duplicate texts or an equal bond are one group."""
        groups = self._groups(rows[text].to_list(), rows[bond].to_list())
        held = _filled(Counter(groups), share * rows.height, salt=f"{seed}-{text}")
        return [group in held for group in groups]

    def _groups(self, texts: Sequence[str], bonds: Sequence[str]) -> list[str]:
        """For each row the smallest text of its group."""
        distinct = sorted(set(texts))
        place = {text: i for i, text in enumerate(distinct)}
        near = pairs_above(self._embedder.embed(distinct), self.config.threshold)
        root = clusters(len(distinct), chain(near, [_bound(texts, bonds, place)]))
        return [distinct[root[place[text]]] for text in texts]


def _bound(texts: Sequence[str], bonds: Sequence[str], place: Mapping[str, int]) -> tuple[Indices, Indices]:
    """Pairs that tie each text to the first one of the same bond."""
    first: dict[str, str] = {}
    ties = [(place[first.setdefault(bond, text)], place[text]) for text, bond in zip(texts, bonds, strict=True)]
    return np.array([i for i, _ in ties], dtype=np.intp), np.array([j for _, j in ties], dtype=np.intp)


def _filled(sizes: Mapping[str, int], wanted: float, salt: str) -> set[str]:
    """Groups with `wanted` rows together or a little more, taken in the order of their hashes."""
    taken: set[str] = set()
    rows = 0
    for group in sorted(sizes, key=lambda group: digest(salt, group)):
        if rows >= wanted:
            break
        if rows + sizes[group] <= 1.5 * wanted:
            taken.add(group)
            rows += sizes[group]
    return taken


def _split(query_held: bool, preference_held: bool) -> Name:
    if preference_held:
        return "test_unseen_queries_and_preferences" if query_held else "test_unseen_preferences"
    return "test" if query_held else "train"
