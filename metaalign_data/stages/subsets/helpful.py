"""Different ideas of what a helpful answer is: contrasting values, each the wish of somebody."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Literal

from metaalign_data.priorities import PriorityMatrix
from metaalign_data.records import Placement
from metaalign_data.stages.sampling.people import Person
from metaalign_data.stages.sampling.wishes import Contrast, with_more
from metaalign_data.stages.subsets.draft import Draft, DraftSide, draw_form, told_the_other_way
from metaalign_data.taxonomy import Taxonomy

Decides = Literal["rule", "wish", "both"]
_CELL: dict[Decides, str] = {
    "rule": "harmless/none/silent",
    "wish": "harmless/none/alone",
    "both": "harmless/none/agrees",
}


def draft(
    taxonomy: Taxonomy,
    matrix: PriorityMatrix,
    contrast: Contrast,
    person: Person | None,
    *,
    explicit: float,
    placements: Mapping[Placement, float],
    twin: bool,
    rng: Random,
) -> Draft:
    """The same speaker wants one thing on one side and the contrasting one on the other.

    `placements` are shares of the stated preferences. How a contrast is told follows from it alone.
    """
    own = contrast.both_rng
    stated = own.random() < explicit
    place = own.choices(list(placements), list(placements.values()))[0] if stated else "user_info"
    if person and place in ("system_info", "both"):  # a rule is nobody's own
        place = "user_info"
    if place == "both" and len(contrast.aims) == 1:  # one half of it for each of the two
        contrast = replace(contrast, aims=with_more(taxonomy, contrast.aims[0], 1, own))
    form = draw_form(taxonomy, contrast, own)
    frame = rng.choice(matrix.neutral)

    def side(wanted: Contrast, who: str | None, user: str | None) -> DraftSide:
        decides: Decides = "rule" if place == "system_info" else "both" if place == "both" else "wish"
        of_rule, of_user = (wanted.part(0, 1), wanted.part(1)) if decides == "both" else (wanted, wanted)
        rule = None if decides == "wish" else of_rule.wish("provider", "statement", taxonomy.styles)
        wish = None
        if decides != "rule":
            wish = of_user.wish("user", "statement" if stated else form, taxonomy.styles, who)
        in_history = place == "history" or (not stated and form == "dialogue")
        return DraftSide(frame, rule, wish, decides, in_history, _CELL[decides], user)

    if person:
        sides = side(contrast, person.who, person.id), side(contrast.reversed, person.opposite_who, person.opposite)
    else:
        sides = side(contrast, None, None), side(contrast.reversed, None, None)
    told_twice = twin and place in ("user_info", "history")
    twins = tuple(told_the_other_way(each, form) for each in sides) if told_twice else ()
    return Draft("helpful", sides, "contrasting_preference", twins)
