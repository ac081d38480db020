"""Train and test sets that share no query and no preference, not even near-duplicates of them."""

from collections import Counter
from collections.abc import Iterable, Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.neighbours import clusters, pairs_above
from metaalign_data.records import Split as Name
from metaalign_data.records import digest
from metaalign_data.stage import Context


class Split:
    """Assigns each row to train, test, or one of the unseen test sets; rejects nothing.

    Queries form a group when they come from one source query or are near-duplicates, preferences when they are
    near-duplicates or the two sides of one scenario (so a flip stays whole); groups are transitive. Whole groups are
    held out: a test row's query has no near-duplicate in train, and an unseen preference neither. A group is held out
    if the hash of its smallest member falls below the share, so rows of other groups do not move it; a group larger
    than the share itself stays in train. Shares are targets: what is promised is that nothing leaks.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        test: float = Field(default=0.05, ge=0.0, lt=1.0, description="share of queries held out")
        unseen_preferences: float = Field(default=0.05, ge=0.0, lt=1.0, description="share of preferences held out")
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
        texts, bonds = rows[text].to_list(), rows[bond].to_list()
        groups = self._groups(texts, bonds)
        sizes = Counter(groups)

        def held(group: str) -> bool:
            drawn = int(digest(str(seed), text, group), 16) / 2**64
            return drawn < share and sizes[group] <= share * len(groups)

        verdicts = {group: held(group) for group in sizes}
        return [verdicts[group] for group in groups]

    def _groups(self, texts: Sequence[str], bonds: Sequence[str]) -> list[str]:
        """For each row the smallest text of its group."""
        distinct = sorted(set(texts))
        place = {text: i for i, text in enumerate(distinct)}
        near = pairs_above(self._embedder.embed(distinct), self.config.threshold)
        root = clusters(len(distinct), [*near, *_bound(texts, bonds, place)])
        return [distinct[root[place[text]]] for text in texts]


def _bound(texts: Sequence[str], bonds: Sequence[str], place: dict[str, int]) -> Iterable[tuple[int, int]]:
    first: dict[str, str] = {}
    for text, bond in zip(texts, bonds, strict=True):
        yield place[first.setdefault(bond, text)], place[text]


def _split(query_held: bool, preference_held: bool) -> Name:
    if preference_held:
        return "test_unseen_queries_and_preferences" if query_held else "test_unseen_preferences"
    return "test" if query_held else "train"
