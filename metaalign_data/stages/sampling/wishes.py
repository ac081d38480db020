"""What is to be put into words: contrasting wishes over one dimension or several, and how each is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from metaalign_data.records import Form, Kind, digest
from metaalign_data.taxonomy import Cell, ImpliedForm, Taxonomy, Value

Speaker = Literal["provider", "user"]
JOINT = " + "
_ANEW = 1 << 40
_MORE_DIMENSIONS = (1, 1, 1, 2)  # that a composed wish has beside its first: mostly one


@dataclass(frozen=True)
class Aim:
    """A value, and the one that it is told apart from."""

    dimension: str
    value: Value
    contrast: Value

    @property
    def reversed(self) -> "Aim":
        return replace(self, value=self.contrast, contrast=self.value)


@dataclass(frozen=True)
class Wish:
    """A preference that the teacher is to put into words. Equal wishes are equal words; `sample` tells them apart."""

    speaker: Speaker
    form: Form
    aims: tuple[Aim, ...]
    style: str
    sample: int

    @property
    def kind(self) -> Kind:
        return "explicit" if self.form == "statement" else "implicit"

    @property
    def dimension(self) -> str:
        return JOINT.join(aim.dimension for aim in self.aims)

    @property
    def value(self) -> str:
        return JOINT.join(aim.value.name for aim in self.aims)

    @property
    def meaning(self) -> str:
        return " ".join(aim.value.meaning for aim in self.aims)

    @property
    def contrast(self) -> str:
        return " ".join(aim.contrast.meaning for aim in self.aims)


@dataclass(frozen=True)
class Contrast:
    """Two opposite sets of aims, and the variant of their wording.

    All that is drawn for a contrast follows from it: when it comes again, its wishes come again in the same words.
    """

    aims: tuple[Aim, ...]
    variant: int
    seed: int

    @property
    def reversed(self) -> "Contrast":
        return replace(self, aims=tuple(aim.reversed for aim in self.aims))

    @property
    def both_rng(self) -> Random:
        """For what both of the two share: the same whichever comes first."""
        either = min(self._cells, self.reversed._cells)
        return Random(digest("both", str(self.seed), str(self.variant), *either))

    @property
    def _cells(self) -> list[str]:
        return [f"{aim.dimension}.{aim.value.name}.{aim.contrast.name}" for aim in self.aims]

    def part(self, start: int, end: int | None = None) -> "Contrast":
        """The same for some of the aims."""
        return replace(self, aims=self.aims[start:end])

    def wish(self, speaker: Speaker, form: Form, styles: Sequence[str], person: str | None = None) -> Wish:
        """The wish for the first of the two, in a style of this variant; `person` says who the user is."""
        style = Random(digest("style", str(self.seed), str(self.variant), speaker, form, *self._cells)).choice(styles)
        told = f"{style}, by {person}" if person and speaker == "user" else style
        return Wish(speaker, form, self.aims, told, self.variant)


def aim_at(taxonomy: Taxonomy, cell: Cell, rng: Random) -> Aim:
    """The cell against another value of its dimension."""
    others = [value for value in taxonomy.dimension[cell.dimension].values if value.name != cell.value]
    return Aim(cell.dimension, taxonomy.value(cell), rng.choice(others))


def draw_contrast(
    taxonomy: Taxonomy, cell: Cell, *, composed: float, variants: int | None, seed: int, rng: Random
) -> Contrast:
    """A contrast on the cell, with this probability composed with other dimensions that suit all kinds of query.

    `variants` is how many wordings there are; None for a new one each time. Which dimensions are composed follows from
    the variant, so that composed wishes come again as single ones do.
    """
    first = aim_at(taxonomy, cell, rng)
    variant = rng.randrange(variants or _ANEW)
    unordered = sorted((first.value.name, first.contrast.name))
    own = Random(digest("composed", str(seed), first.dimension, *unordered, str(variant)))
    if own.random() >= composed:
        return Contrast((first,), variant, seed)
    upright = first if first.value.name == unordered[0] else first.reversed
    aims = with_more(taxonomy, upright, own.choice(_MORE_DIMENSIONS), own)
    contrast = Contrast(aims, variant, seed)
    return contrast if upright is first else contrast.reversed


def with_more(taxonomy: Taxonomy, first: Aim, more: int, rng: Random) -> tuple[Aim, ...]:
    """The aim and up to `more` on other dimensions, such that neither their values nor their contrasts contradict."""
    aims = [first]
    others = [d for d in taxonomy.dimensions if not d.kinds and d.name != first.dimension]
    for dimension in rng.sample(others, len(others)):
        if len(aims) > more:
            break
        value, contrast = rng.sample(dimension.values, 2)
        aim = Aim(dimension.name, value, contrast)
        if fits(taxonomy, [*aims, aim]):
            aims.append(aim)
    return tuple(aims)


def fits(taxonomy: Taxonomy, aims: Sequence[Aim]) -> bool:
    """Whether one answer can have all the values, and another all that they contrast with."""
    return all(
        taxonomy.fit_together([Cell(aim.dimension, value.name) for aim, value in zip(aims, values, strict=True)])
        for values in ([aim.value for aim in aims], [aim.contrast for aim in aims])
    )


def implied_forms(taxonomy: Taxonomy, aims: Sequence[Aim]) -> list[ImpliedForm]:
    """The forms in which all of the aims can be implied; a background can always be told."""
    forms = [set(d.implied_by) if (d := taxonomy.dimension.get(aim.dimension)) else set() for aim in aims]
    common = set.intersection(*forms) if forms else set()
    return [form for form in ("background", "writing", "dialogue") if form in common] or ["background"]
