"""Texts whose embeddings are near."""

from collections.abc import Sequence

import numpy as np

from metaalign_data.duplicates.greedy import Found
from metaalign_data.embed import Embed, Vectors, check_unit, room
from metaalign_data.neighbours import Cover


class Semantic:
    """Rows whose embeddings have a cosine of at least `threshold`, in every column.

    Only rows that are prepared are embedded, each distinct text of theirs once. `columns` and `apart` as in Exact,
    `ids` name the rows in errors: UserError for a vector that is not finite or not of length 1.
    """

    def __init__(
        self,
        columns: Sequence[Sequence[str]],
        threshold: float,
        apart: Sequence[str | None],
        embed: Embed,
        ids: Sequence[str],
    ) -> None:
        self._columns, self._threshold, self._apart, self._embed, self._ids = columns, threshold, apart, embed, ids
        self._cover: Cover | None = None
        self._embedded: set[int] = set()

    @property
    def method(self) -> str:
        """How near rows were looked for, in words for people; "" where none were."""
        return self._cover.method if self._cover else ""

    def prepare(self, rows: Sequence[int]) -> None:
        if not rows:
            return
        if new := [row for row in rows if row not in self._embedded]:
            self._embed_rows(new)
        self._embedded = set(rows)
        if self._cover:
            self._cover.look(np.array(rows))

    def find(self, row: int) -> Found | None:
        duplicate = self._cover.find(row) if self._cover else None
        return Found(duplicate.of, duplicate.cosine, "semantic") if duplicate else None

    def keep(self, row: int) -> None:
        if self._cover:
            self._cover.keep(row)

    def _embed_rows(self, rows: Sequence[int]) -> None:
        vectors = [self._vectors([column[row] for row in rows]) for column in self._columns]
        for column in vectors:
            check_unit(column, [self._ids[row] for row in rows])
        if self._cover is None:
            self._cover = Cover([room(len(self._ids), v.shape[1]) for v in vectors], self._threshold, self._apart)
        for kept, column in zip(self._cover.columns, vectors, strict=True):
            kept[rows] = column

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        return self._embed(list(distinct))[[distinct[text] for text in texts]]
