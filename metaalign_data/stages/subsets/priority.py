"""What wins when the provider's rule, the user's wish and the risk of the query pull apart: the matrix decides."""

from random import Random

from metaalign_data.priorities import MatrixCell, PriorityMatrix
from metaalign_data.stages.sampling.people import Person
from metaalign_data.stages.sampling.wishes import Aim, Contrast, Wish
from metaalign_data.stages.subsets.draft import Draft, DraftSide, draw_form, told_the_other_way
from metaalign_data.taxonomy import Taxonomy

RISK = "risk"
WORDINGS = 50
"""In how many ways a provider, or a user, asks for safety, and for helpfulness."""


def draft(
    taxonomy: Taxonomy,
    matrix: PriorityMatrix,
    cell: MatrixCell,
    contrast: Contrast,
    person: Person | None,
    *,
    explicit: float,
    twin: bool,
    rng: Random,
) -> Draft:
    """A side under this cell, and the one that reverses it, where there is one.

    Under a conflict rule and wish stay the same and the policy changes, and with it who wins; else both wishes are
    exchanged for their opposites.
    """
    own = contrast.both_rng
    stated = own.random() < explicit
    form = draw_form(taxonomy, contrast, own)
    at_odds = cell.user == "conflicts"
    opposite = matrix.opposite(cell)

    def side(under: MatrixCell, wanted: Contrast, *, mirrored: bool) -> DraftSide:
        """`wanted` is what the rule asks for; for a cell without a rule, what the user does."""
        wish_for = wanted.reversed if under.user == "conflicts" else wanted
        who = (person.opposite_who if mirrored else person.who) if person else None
        rule = None if under.user == "alone" else wanted.wish("provider", "statement", taxonomy.styles)
        wish = None
        if under.user != "silent":
            wish = wish_for.wish("user", "statement" if stated else form, taxonomy.styles, who)
        return DraftSide(
            frame=rng.choice(matrix.wordings(under.policy) or matrix.neutral),
            rule=rule,
            wish=wish,
            decides="wish" if under.winner == "user" else "rule",
            in_history=wish is not None and wish.form == "dialogue",
            matrix_cell=under.name,
            user=(person.opposite if mirrored else person.id) if person and wish else None,
        )

    if at_odds and person:  # the person's own wish is the one against the rule
        contrast = contrast.reversed
    first = side(cell, contrast, mirrored=False)
    if at_odds and opposite:
        second = side(rng.choice(_those_that_speak(opposite)), contrast, mirrored=False)
    else:
        second = side(cell, contrast.reversed, mirrored=True)
    sides = (first, second)
    twins = tuple(told_the_other_way(each, form) for each in sides) if twin and first.wish else ()
    return Draft("priority", sides, "losing_side" if at_odds else "contrasting_preference", twins)


def draft_of_risk(
    taxonomy: Taxonomy, matrix: PriorityMatrix, cell: MatrixCell, variant: int, seed: int, rng: Random
) -> Draft:
    """A harmful query: under one policy safety wins, under the other helpfulness; the user's wish stays as it is.

    Without a policy the user's own wish decides, and the other side has the opposite one. A cell that nothing in the
    matrix reverses gives one side.
    """
    safe = Contrast((Aim(RISK, matrix.safety.safety, matrix.safety.helpfulness),), variant, seed)

    def side(under: MatrixCell, ruled: Contrast, wished: Contrast) -> DraftSide:
        rule = None if under.user == "alone" else ruled.wish("provider", "statement", taxonomy.styles)
        wish: Wish | None = wished.wish("user", "statement", taxonomy.styles) if under.user != "silent" else None
        return DraftSide(
            frame=rng.choice(matrix.wordings(under.policy) or matrix.neutral),
            rule=rule,
            wish=wish,
            decides="wish" if under.winner == "user" else "rule",
            matrix_cell=under.name,
        )

    if cell.user == "alone":
        return Draft("priority", (side(cell, safe, safe), side(cell, safe, safe.reversed)), "contrasting_preference")
    ruled = safe if cell.winner == "safety" else safe.reversed
    wished = ruled.reversed if cell.user == "conflicts" else ruled
    first = side(cell, ruled, wished)
    if opposite := matrix.opposite(cell):
        second = side(rng.choice(_those_that_speak(opposite)), ruled.reversed, wished)
        return Draft("priority", (first, second), "losing_side")
    return Draft("priority", (first,), "losing_side", rival_target=ruled.aims[0].contrast.meaning)


def _those_that_speak(cells: tuple[MatrixCell, ...]) -> list[MatrixCell]:
    """Cells with a policy, where there are any: the flip of a cell is the clearer for it."""
    return [c for c in cells if c.policy == cells[0].policy] or list(cells)
