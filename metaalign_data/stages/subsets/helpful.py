"""Different ideas of what a helpful answer is: two values of one dimension, each the wish of somebody."""

from random import Random
from typing import Literal

from metaalign_data.priorities import PriorityMatrix
from metaalign_data.stages.subsets.draft import Draft, DraftSide, Wish, draw_contrast, draw_kind
from metaalign_data.taxonomy import Taxonomy, Value

PROVIDER_SHARE = 0.25
"""Of explicit preferences, how many the provider has: a model has to find them in either tier."""


def draft(taxonomy: Taxonomy, matrix: PriorityMatrix, explicit: float, rng: Random) -> Draft:
    """The same speaker wants one value on one side and the contrasting one on the other."""
    dimension, first, second = draw_contrast(taxonomy, rng)
    kind = draw_kind(explicit, rng)
    by_provider = kind == "explicit" and rng.random() < PROVIDER_SHARE
    speaker: Literal["provider", "user"] = "provider" if by_provider else "user"
    frame = rng.choice(matrix.neutral)

    def side(value: Value, contrast: Value) -> DraftSide:
        wish = Wish(speaker, kind, dimension, value, contrast, rng.choice(taxonomy.styles))
        return DraftSide(frame, wish if by_provider else None, None if by_provider else wish, wish)

    return Draft("helpful", (side(first, second), side(second, first)), "contrasting_preference")
