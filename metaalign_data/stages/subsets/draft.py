"""What a subset wants written before a scenario can be put together."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from metaalign_data.records import Placement, RejectedBecause, Subset
from metaalign_data.stages.sampling.wishes import Contrast, Wish, implied_forms
from metaalign_data.taxonomy import ImpliedForm, Taxonomy


@dataclass(frozen=True)
class DraftSide:
    """One meta-prompt to be. System Info is `frame`, then the rule; the wish stands in User Info, or in earlier turns.

    `decides` says which of rule and wish an answer has to meet: "both" where they ask for different things.
    """

    frame: str
    rule: Wish | None
    wish: Wish | None
    decides: Literal["rule", "wish", "both"]
    in_history: bool = False
    matrix_cell: str | None = None
    user: str | None = None

    @property
    def placement(self) -> Placement:
        """Where the preference that decides stands."""
        if self.decides == "both":
            return "both"
        return "system_info" if self.decides == "rule" else "history" if self.in_history else "user_info"

    @property
    def deciding(self) -> tuple[Wish, ...]:
        wishes = {"rule": (self.rule,), "wish": (self.wish,), "both": (self.rule, self.wish)}[self.decides]
        return tuple(wish for wish in wishes if wish)


@dataclass(frozen=True)
class Draft:
    """Contrasting sides, made of wishes that have yet to be written. `twins` tell the same wishes the other way."""

    subset: Subset
    sides: tuple[DraftSide, ...]
    rejected_because: RejectedBecause
    twins: tuple[DraftSide, ...] = field(default=())
    rival_target: str = ""


def draw_form(taxonomy: Taxonomy, contrast: Contrast, rng: Random) -> ImpliedForm:
    """One of the forms in which both of the two can be implied."""
    return rng.choice(implied_forms(taxonomy, contrast.aims))


def told_the_other_way(side: DraftSide, form: ImpliedForm) -> DraftSide:
    """The side with its wish implied in this form where it was stated, and stated where it was implied."""
    if side.wish is None:
        return side
    other = "statement" if side.wish.kind == "implicit" else form
    return replace(side, wish=replace(side.wish, form=other), in_history=other == "dialogue")
