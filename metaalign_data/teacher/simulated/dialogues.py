"""Beginnings of chats, as answers.Dialogue has them."""

from random import Random

from metaalign_data.teacher.simulated.meaning import Meaning
from metaalign_data.teacher.simulated.people import hints, introduction, joined, person
from metaalign_data.teacher.simulated.phrases import fill
from metaalign_data.teacher.simulated.world import world


def telling_dialogue(meaning: Meaning, style: str, rng: Random) -> dict[str, object]:
    """Two turns from whose user the preference can be inferred; the assistant gives nothing away."""
    slots = person(rng)
    first, *more = hints(meaning, slots, rng)
    chatter = fill(rng.choice(world().people.small_talk), rng, slots)
    opening = joined(fill(rng.choice(world().people.greetings), rng, slots), introduction(style, slots, rng))
    if more:
        return _turns(joined(opening, first), joined(*more), rng)
    if rng.random() < 0.5:
        return _turns(joined(opening, chatter), first, rng)
    return _turns(joined(opening, first), chatter, rng)


def small_talk(rng: Random) -> dict[str, object]:
    """Two turns from which nothing follows."""
    slots = person(rng)
    first, second = (fill(text, rng, slots) for text in rng.sample(world().people.small_talk, 2))
    return _turns(joined(fill(rng.choice(world().people.greetings), rng, slots), first), second, rng)


def _turns(first: str, second: str, rng: Random) -> dict[str, object]:
    replies = (fill(text, rng, {}) for text in rng.sample(world().people.neutral_replies, 2))
    return {"turns": [{"user": user, "assistant": reply} for user, reply in zip((first, second), replies, strict=True)]}
