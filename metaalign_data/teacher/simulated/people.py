"""What people say of themselves and want: stated preferences, and texts from which one can be inferred."""

import re
from random import Random

from metaalign_data.teacher.simulated.meaning import Meaning
from metaalign_data.teacher.simulated.phrases import capitalised, decapitalised, fill
from metaalign_data.teacher.simulated.read import MOTTO, read_wishes
from metaalign_data.teacher.simulated.stances import Texts
from metaalign_data.teacher.simulated.world import Value, world

_BARE = re.compile(r"\b(?:short|terse|curt|blunt|plain|command|one sentence|few words)\b", re.IGNORECASE)
_WITH_REASON = re.compile(r"\b(?:reasons?|because|why|story|anecdote|long|background)\b", re.IGNORECASE)
_PERSONA = re.compile(r"\b(?:as|by|like|from|of) (an? [a-z][a-z -]{2,40}[a-z])", re.IGNORECASE)
_MOTTO = f"My {{grandfather|first teacher|late aunt|old boss|brother}} had {MOTTO} {{wish}}."
_TOLD_AT_ONCE = 2  # backgrounds that a persona tells of


def explicit_preference(speaker: str, meaning: Meaning, style: str, rng: Random) -> str:
    """A statement of the preference by the "user" or the "provider". An unknown one is stated in its own words."""
    people = world().people
    slots = person(rng)
    wish, *more = _wishes(meaning, rng)
    rest = [fill(rng.choice(people.more_openers), rng, {"wish": each}) for each in more]
    openers = people.provider_openers if speaker == "provider" else people.user_openers
    statement = fill(rng.choice(openers), rng, slots | {"wish": wish})
    reasoned = _WITH_REASON.search(style) is not None
    bare = not reasoned and _BARE.search(style) is not None
    if speaker == "provider":
        return joined("" if bare else fill(rng.choice(people.services), rng, slots), statement, *rest)
    if bare or not meaning.values:
        return joined(statement, *rest)
    parts = [introduction(style, slots, rng) if rng.random() < 0.6 else ""]
    if reasoned or rng.random() < 0.4:
        parts.append(fill(rng.choice(rng.choice(meaning.values).implicit), rng, slots))
    return joined(*parts, statement, *rest)


def _wishes(meaning: Meaning, rng: Random) -> list[str]:
    """Each wish as a verb phrase."""
    axis = world().people.axis
    if meaning.values:
        templates = [value.explicit for value in meaning.values]
    elif meaning.axis:
        templates = [axis.consensus if meaning.axis == "consensus" else axis.background]
    else:
        return [meaning.words]
    return [fill(rng.choice(texts), rng, {}) for texts in templates]


def background(meaning: Meaning, style: str, rng: Random) -> str:
    """A self-description from which the preference can be inferred. An unknown one is quoted as a motto."""
    slots = person(rng)
    aside = fill(rng.choice(world().people.asides), rng, slots)
    return joined(introduction(style, slots, rng), *hints(meaning, slots, rng), aside)


def hints(meaning: Meaning, slots: dict[str, str], rng: Random) -> list[str]:
    """Sentences from which the preference can be inferred, one or two for each of its values."""
    if not meaning.values:
        return [fill(_MOTTO, rng, slots | {"wish": meaning.words})]
    if len(meaning.values) > 1:
        return [fill(rng.choice(value.implicit), rng, slots) for value in meaning.values]
    (value,) = meaning.values
    return [fill(text, rng, slots) for text in rng.sample(value.implicit, rng.choice((1, 2)))]


def writing_sample(value: Value, rng: Random) -> str:
    """A message on an everyday matter whose manner lets the preference be inferred.

    A value that no manner of writing shows is implied by a background.
    """
    return fill(rng.choice(value.writing or value.implicit), rng, person(rng))


def persona(told: Texts, rng: Random) -> str:
    """Who somebody is whose life implies a view: two of the things that such people tell, around them whoever it is."""
    slots = person(rng)
    texts = [fill(text, rng, slots) for text in rng.sample(told, min(_TOLD_AT_ONCE, len(told)))]
    aside = fill(rng.choice(world().people.asides), rng, slots)
    return joined(fill(rng.choice(world().people.user_intros), rng, slots), *texts, aside)


def person(rng: Random) -> dict[str, str]:
    """Slots for whoever speaks."""
    people = world().people
    job = rng.choice(people.jobs)
    return {
        "a_job": f"{'an' if job[0] in 'aeiou' else 'a'} {job}",
        "job": job,
        "place": rng.choice(people.places),
        "name": rng.choice(people.names),
        "age": str(rng.randint(19, 84)),
        "years": str(rng.randint(3, 40)),
    }


def introduction(style: str, slots: dict[str, str], rng: Random) -> str:
    """Who speaks: the person whom the style names, unless that would state a preference, or anybody."""
    named = _PERSONA.findall(style)
    if named and not read_wishes(named[-1]).values:
        return f"I am {decapitalised(named[-1])}."
    return fill(rng.choice(world().people.user_intros), rng, slots)


def joined(*parts: str) -> str:
    return " ".join(capitalised(part) for part in parts if part)
