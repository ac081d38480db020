"""Preferences that tell two responses apart."""

from random import Random

from metaalign_data.teacher.simulated.meaning import Meaning
from metaalign_data.teacher.simulated.people import explicit_preference
from metaalign_data.teacher.simulated.phrases import capitalised, fill
from metaalign_data.teacher.simulated.truth import shows
from metaalign_data.teacher.simulated.world import Dimension, Want, world

_LENGTHS = (Want("length", "brief"), Want("length", "thorough"))


def explanation(response_a: str, response_b: str, speaker: str, style: str, rng: Random) -> dict[str, object]:
    """Contrasting wishes, one met by response A and one by B, as answers.PairExplanation has them.

    On the dimension on which the two differ most; on length where they differ on none.
    """
    found = max((_contrast(each, response_a, response_b) for each in world().dimensions), key=lambda c: c[0])
    if found[0] > 0.0:
        _, first, second = found
    else:
        first, second = _LENGTHS if len(response_a) <= len(response_b) else _LENGTHS[::-1]
    return {
        "dimension": first.dimension,
        "first": _explained(first, speaker, style, rng),
        "second": _explained(second, speaker, style, rng),
    }


def _contrast(dimension: Dimension, response_a: str, response_b: str) -> tuple[float, Want, Want]:
    """How much more A has one value than B does, at most 1, 0 where they are alike; that value, and the one B has."""
    wants = [Want(dimension.name, value.name) for value in dimension.values]
    leads = [shows(response_a, want) - shows(response_b, want) for want in wants]
    most, least = max(leads), min(leads)
    return most, wants[leads.index(most)], wants[leads.index(least)]


def _explained(want: Want, speaker: str, style: str, rng: Random) -> dict[str, str]:
    value = world().dimension[want.dimension].value(want.value)
    return {
        "value": want.value,
        "meaning": f"{capitalised(fill(rng.choice(value.explicit), rng, {}))}.",
        "text": explicit_preference(speaker, Meaning((want,)), style, rng),
    }
