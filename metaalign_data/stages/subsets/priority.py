"""What wins when the provider's rule and the user's wish conflict: the policy in the System Info decides."""

from random import Random

from metaalign_data.priorities import PriorityMatrix
from metaalign_data.stages.subsets.draft import Draft, DraftSide, Wish, draw_contrast, draw_kind
from metaalign_data.taxonomy import Taxonomy


def draft(taxonomy: Taxonomy, matrix: PriorityMatrix, explicit: float, rng: Random) -> Draft:
    """Rule and wish are the same on both sides; only the policy differs, and with it who wins."""
    dimension, ruled, wished = draw_contrast(taxonomy, rng)
    rule = Wish("provider", "explicit", dimension, ruled, wished, rng.choice(taxonomy.styles))
    kind = draw_kind(explicit, rng)
    wish = Wish("user", kind, dimension, wished, ruled, rng.choice(taxonomy.styles))

    def side(winner: str, decides: Wish) -> DraftSide:
        policy = rng.choice([policy for policy in matrix.policies if policy.winner == winner])
        return DraftSide(rng.choice(policy.wordings), rule, wish, decides)

    return Draft("priority", (side("provider", rule), side("user", wish)), "losing_side")
