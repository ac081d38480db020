"""Rows out that a benchmark has, too: by runs of words in common, and by embeddings."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from metaalign_data.embed import HASHED_NGRAMS, EmbedderName, Vectors, check_unit, embedded, embedder
from metaalign_data.neighbours import Indices
from metaalign_data.stage import Context, OutsideText, TextSource
from metaalign_data.stages.columns import MARKS, PARTNERS, marked, texts, there, without_lone_partners
from metaalign_data.stages.overlap import Overlaps

NGRAM, SIMILAR = "benchmark_ngram", "benchmark_similar"
BLOCK = 1024
TOLERANCE = 1e-5
"""Float32 gives identical texts a cosine of 1 less some millionths."""


def _source(value: object) -> object:
    return {"source": value} if isinstance(value, str) else value


class _Match(NamedTuple):
    """`of` is the number of the benchmark text."""

    reason: str
    detail: str
    of: int


class Decontaminate:
    """Drops rows that stand in a benchmark: with `ngram` words in a row in common, or as close as `threshold`.

    Of texts with fewer words than that the shorter one has to stand whole in the other, below 5 words the two have to
    be equal. Case and punctuation do not count. Reasons: "benchmark_ngram" and "benchmark_similar"; the detail names
    the benchmark's row and what was found. A flip or twin that loses one row is none any more, so the other loses its
    flip_id or twin_id; where all rows are flips, it is dropped as "no_flip".
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        against: tuple[Annotated[TextSource, BeforeValidator(_source)], ...] = Field(
            min_length=1,
            description="benchmarks: files beside the recipe or Hub datasets, or {source, text, split, ...}",
        )
        on: tuple[str, ...] = Field(default=("query",), min_length=1, description="columns to compare, each for itself")
        ngram: int = Field(default=13, ge=1, description="words in a row that a row may not share with a benchmark")
        threshold: float | None = Field(
            default=0.92, gt=0.0, le=1.0, description="cosine from which a row is in a benchmark; null: words alone"
        )
        embedder: EmbedderName = Field(
            default=HASHED_NGRAMS,
            description="hashed-ngrams, a sentence-transformers model, or {model, base_url, ...} behind a server",
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        if isinstance(config.embedder, str):
            embedder(config.embedder)  # says at once where the package is missing

    @property
    def columns(self) -> Sequence[str]:
        return self.config.on

    @property
    def reads(self) -> Sequence[TextSource]:
        return self.config.against

    def transform(self, table: pl.LazyFrame, ctx: Context) -> pl.LazyFrame:
        rows = table.select(there(table, (*self.columns, *PARTNERS))).collect()
        sources = [ctx.texts(source) for source in self.config.against]
        benchmark = [text for read in sources for text in read]
        columns = {name: texts(rows[name]) for name in self.config.on}
        distinct = sorted({text for column in columns.values() for text in column if text.strip()})
        matches = self._matches(distinct, benchmark, ctx)
        found = [_first(columns, row, matches) for row in range(rows.height)]
        for sentence in self._told(found, [len(read) for read in sources]):
            ctx.note(sentence)
        verdicts = rows.with_columns(
            pl.Series("reject_reason", [match and match.reason for match in found], dtype=pl.String),
            pl.Series("reject_detail", [match and match.detail for match in found], dtype=pl.String),
        )
        return marked(table, without_lone_partners(verdicts).select(*there(rows.lazy(), PARTNERS), *MARKS))

    def _told(self, found: Sequence[_Match | None], sizes: Sequence[int]) -> Iterator[str]:
        """What was found of each benchmark; that it was nothing is worth knowing, too."""
        first = 0
        for source, size in zip(self.config.against, sizes, strict=True):
            texts = range(first, first := first + size)
            reasons = [match.reason for match in found if match and match.of in texts]
            shared, near = reasons.count(NGRAM), reasons.count(SIMILAR)
            yield f"{source.source}, {size} texts: {shared} rows share words with it, {near} more are near to it"

    def _matches(self, distinct: Sequence[str], benchmark: Sequence[OutsideText], ctx: Context) -> dict[str, _Match]:
        """The texts that the benchmark has; only those with no words in common are embedded."""
        overlaps = Overlaps([text for _, text in benchmark], self.config.ngram)
        matches: dict[str, _Match] = {}
        for text in distinct:
            if overlap := overlaps.find(text):
                detail = f"{benchmark[overlap.of].where}, {len(overlap.run)} words: {' '.join(overlap.run)}"
                matches[text] = _Match(NGRAM, detail, overlap.of)
        left = [text for text in distinct if text not in matches]
        if self.config.threshold is None or not left or not benchmark:
            return matches
        embed = partial(ctx.embed, self.config.embedder)
        vectors, others = (embedded(texts, embed) for texts in (left, [text for _, text in benchmark]))
        check_unit(vectors, [repr(text) for text in left])  # what is no number is near to nothing, and would pass
        check_unit(others, [where for where, _ in benchmark])
        near, cosines = _nearest(vectors, others)
        for text, of, cosine in zip(left, near, cosines, strict=True):
            if cosine >= self.config.threshold - TOLERANCE:
                detail = f"{benchmark[of].where}, cosine {cosine:.3f}: {benchmark[of].text}"
                matches[text] = _Match(SIMILAR, detail, int(of))
        return matches


def _first(columns: Mapping[str, Sequence[str]], row: int, matches: Mapping[str, _Match]) -> _Match | None:
    """What was found in the row, and in which column: shared words before mere similarity, then the earlier column."""
    found = [
        match._replace(detail=f"{name} is in {match.detail}")
        for name, column in columns.items()
        if (match := matches.get(column[row]))
    ]
    return min(found, key=lambda match: match.reason == SIMILAR, default=None)


def _nearest(vectors: Vectors, others: Vectors) -> tuple[Indices, Vectors]:
    """For each vector the first of the nearest others, and the cosine. Memory for BLOCK x BLOCK cosines."""
    near = np.zeros(len(vectors), dtype=np.intp)
    best = np.full(len(vectors), -np.inf, dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        for first in range(0, len(others), BLOCK):
            cosines = vectors[rows] @ others[first : first + BLOCK].T
            closer = cosines.max(axis=1) > best[rows]
            near[rows] = np.where(closer, cosines.argmax(axis=1) + first, near[rows])
            best[rows] = np.maximum(best[rows], cosines.max(axis=1))
    return near, best
