"""What people can want of an answer: dimensions with contrasting values, which of them go together, and for what."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from metaalign_data.chat import FROZEN

ImpliedForm = Literal["background", "writing", "dialogue"]
GENERAL = "general"
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


class Cell(NamedTuple):
    """A value of a dimension, by their names."""

    dimension: str
    value: str


class Value(BaseModel):
    """One way to be on a dimension. `meaning` says what an answer does, addressed to the one who writes it."""

    model_config = FROZEN
    name: str
    meaning: str


class Dimension(BaseModel):
    """Values of one dimension contrast: no answer has two of them.

    `area` gathers dimensions for reading. `kinds` are the kinds of query for which it makes sense, all where it is
    empty. `implied_by` are the forms in which a user can let the preference be inferred.
    """

    model_config = FROZEN
    name: str
    area: str
    kinds: tuple[str, ...] = ()
    implied_by: tuple[ImpliedForm, ...] = Field(default=("background", "dialogue"), min_length=1)
    values: tuple[Value, ...] = Field(min_length=2)

    def suits(self, kind: str) -> bool:
        """Whether the dimension makes sense for queries of this kind; those of no known kind take every dimension."""
        return not self.kinds or kind == GENERAL or kind in self.kinds


class QueryKind(BaseModel):
    """What a query is about, told by words of it, in lower case."""

    model_config = FROZEN
    name: str
    words: tuple[str, ...] = Field(min_length=1)


class Taxonomy(BaseModel):
    model_config = FROZEN
    id: str
    styles: tuple[str, ...] = Field(min_length=1)
    """Voices in which preferences are written down."""
    people: tuple[str, ...] = ("a user",)
    """Who the users with a profile are, such as "a night nurse who keeps bees"."""
    query_kinds: tuple[QueryKind, ...] = ()
    dimensions: tuple[Dimension, ...] = Field(min_length=1)
    contradictions: tuple[tuple[str, str], ...] = ()
    """Cells of two dimensions, each "dimension.value", that no answer can have both."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known = {f"{cell.dimension}.{cell.value}" for cell in self.cells}
        if len(known) != len(self.cells):
            raise ValueError("dimensions: a cell stands there twice")
        if unknown := {name for pair in self.contradictions for name in pair} - known:
            raise ValueError(f"contradictions: no such cell: {', '.join(sorted(unknown))}")
        kinds = {kind.name for kind in self.query_kinds}
        if unknown := {kind for dimension in self.dimensions for kind in dimension.kinds} - kinds:
            raise ValueError(f"dimensions: no such kind of query: {', '.join(sorted(unknown))}")
        return self

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(Cell(d.name, v.name) for d in self.dimensions for v in d.values)

    @cached_property
    def dimension(self) -> dict[str, Dimension]:
        return {dimension.name: dimension for dimension in self.dimensions}

    @cached_property
    def _contradicting(self) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(pair) for pair in self.contradictions)

    @cached_property
    def _kinds_of_word(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for kind in self.query_kinds:
            for word in kind.words:
                found.setdefault(word, []).append(kind.name)
        return found

    def value(self, cell: Cell) -> Value:
        """Raises KeyError for a cell that is not there."""
        for value in self.dimension[cell.dimension].values:
            if value.name == cell.value:
                return value
        raise KeyError(cell)

    def contradict(self, one: Cell, other: Cell) -> bool:
        """Whether no answer can have both: values of one dimension, or a pair of `contradictions`."""
        if one.dimension == other.dimension:
            return one.value != other.value
        return frozenset({".".join(one), ".".join(other)}) in self._contradicting

    def fit_together(self, cells: Sequence[Cell]) -> bool:
        return not any(self.contradict(one, other) for i, one in enumerate(cells) for other in cells[i + 1 :])

    def kind_of(self, query: str) -> str:
        """The kind of query that most words of the text point to, the first of equals; "general" where none does."""
        counts = dict.fromkeys((kind.name for kind in self.query_kinds), 0)
        for word in _words(query):
            for kind in self._kinds_of_word.get(word, ()):
                counts[kind] += 1
        best = max(counts, key=counts.__getitem__, default=GENERAL)
        return best if counts.get(best) else GENERAL

    def suitable(self, kind: str) -> tuple[Dimension, ...]:
        """Dimensions that make sense for queries of this kind; all where none does."""
        return tuple(d for d in self.dimensions if d.suits(kind)) or self.dimensions


def _words(text: str) -> Iterable[str]:
    return _WORD.findall(text[:4000].lower().replace("’", "'"))
