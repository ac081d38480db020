"""What a subset wants written before a scenario can be put together."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from metaalign_data.records import Kind, RejectedBecause, Subset
from metaalign_data.taxonomy import Taxonomy, Value


@dataclass(frozen=True)
class Wish:
    """A preference that the teacher is to put into words: a provider's rule, or what a user says of themselves."""

    speaker: Literal["provider", "user"]
    kind: Kind
    dimension: str
    value: Value
    contrast: Value
    style: str


@dataclass(frozen=True)
class DraftSide:
    """One meta-prompt to be. System Info is `frame`, then the rule; User Info is the wish; `decides` is one of them."""

    frame: str
    rule: Wish | None
    wish: Wish | None
    decides: Wish


@dataclass(frozen=True)
class Draft:
    """Two contrasting sides, made of wishes that have yet to be written."""

    subset: Subset
    sides: tuple[DraftSide, DraftSide]
    rejected_because: RejectedBecause

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """Each distinct wish once: a text that stands on both sides is the same on both."""
        found = [wish for side in self.sides for wish in (side.rule, side.wish) if wish]
        return tuple(dict.fromkeys(found))


def draw_contrast(taxonomy: Taxonomy, rng: Random) -> tuple[str, Value, Value]:
    """A dimension and two of its values."""
    dimension = rng.choice(taxonomy.dimensions)
    first, second = rng.sample(dimension.values, 2)
    return dimension.name, first, second


def draw_kind(explicit: float, rng: Random) -> Kind:
    """Explicit with this probability."""
    return "explicit" if rng.random() < explicit else "implicit"
