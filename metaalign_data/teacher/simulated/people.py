"""What people say of themselves and want: preference texts, backgrounds, questions of value and of opinion."""

import re
from random import Random

from metaalign_data.teacher.simulated.phrases import capitalised, decapitalised, fill
from metaalign_data.teacher.simulated.read import read_wishes, topic_of
from metaalign_data.teacher.simulated.world import Value, View, world
from metaalign_data.teacher.simulated.write import subject_of

_BARE = re.compile(r"\b(?:short|terse|curt|blunt|plain|command|one sentence|few words)\b", re.IGNORECASE)
_WITH_REASON = re.compile(r"\b(?:reasons?|because|why|story|anecdote|long|background)\b", re.IGNORECASE)
_PERSONA = re.compile(r"\b(?:as|by|like|from|of) (an? [a-z][a-z -]{2,40}[a-z])", re.IGNORECASE)
_SUBJECT_WORDS = 3
_MOTTO = "My {grandfather|first teacher|late aunt|old boss|brother} had a motto that I live by: {wish}."


def known_value(dimension: str, value: str, meaning: str) -> Value | None:
    """The world's value that is meant: by what the meaning says, else by its name; None when the world has none."""
    read = {d: v for d, v in read_wishes(meaning).values.items() if d in world().dimension}
    if len(read) == 1:
        ((dimension, value),) = read.items()
    found = world().dimension.get(dimension)
    if found is None or value not in {each.name for each in found.values}:
        return None
    return found.value(value)


def explicit_preference(speaker: str, value: Value | None, meaning: str, style: str, rng: Random) -> str:
    """A statement of the preference by the "user" or the "provider". An unknown one is stated in its own words."""
    wish = fill(rng.choice(value.explicit), rng, {}) if value else _wish(meaning)
    slots = {**_person(rng), "wish": wish}
    people = world().people
    if speaker == "provider":
        service = "" if _BARE.search(style) else rng.choice(people.services)
        return _joined(fill(service, rng, slots), fill(rng.choice(people.provider_openers), rng, slots))
    statement = fill(rng.choice(people.user_openers), rng, slots)
    if value is None or _BARE.search(style):
        return _joined(statement)
    parts = [_intro(style, slots, rng) if rng.random() < 0.6 else ""]
    if _WITH_REASON.search(style) or rng.random() < 0.4:
        parts.append(fill(rng.choice(value.implicit), rng, slots))
    return _joined(*parts, statement)


def implicit_preference(value: Value | None, meaning: str, style: str, rng: Random) -> str:
    """A self-description from which the preference can be inferred. An unknown one is quoted as a motto."""
    slots = {**_person(rng), "wish": _wish(meaning)}
    told = fill(rng.choice(value.implicit) if value else _MOTTO, rng, slots)
    aside = fill(rng.choice(world().people.asides), rng, slots)
    return _joined(_intro(style, slots, rng), told, aside)


def writing_sample(value: Value, rng: Random) -> str:
    """A message on an everyday matter whose manner lets the preference be inferred.

    A value that no manner of writing shows is implied by a background, as in `implicit_preference`.
    """
    if not value.writing:
        return implicit_preference(value, "", "", rng)
    return fill(rng.choice(value.writing), rng, _person(rng))


def consensus_question(query: str, rng: Random) -> dict[str, object]:
    """A question on which nearly everyone agrees, on the query's subject, as answers.ConsensusQuestion has it."""
    chosen = rng.choice(topic_of(query).consensus)
    slots = {"subject": subject_of(query)}
    return {name: capitalised(fill(text, rng, slots)) for name, text in chosen}


def opinion_question(query: str, rng: Random) -> dict[str, object]:
    """A question on which people differ, on the query's subject, as answers.OpinionQuestion has it."""
    subject = subject_of(query)
    chosen = rng.choice(topic_of(query).opinions)
    first, second = rng.sample(chosen.sides, 2)
    return {
        "subject": " ".join(subject.strip('"').split()[:_SUBJECT_WORDS]),
        "question": capitalised(fill(chosen.question, rng, {"subject": subject})),
        "first": _told(first, subject, rng),
        "second": _told(second, subject, rng),
    }


def _told(view: View, subject: str, rng: Random) -> dict[str, str]:
    return {
        "background": fill(rng.choice(view.background), rng, {}),
        "stance": view.stance,
        "answer": capitalised(fill(view.answer, rng, {"subject": subject})),
    }


def _person(rng: Random) -> dict[str, str]:
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


def _intro(style: str, slots: dict[str, str], rng: Random) -> str:
    """Who speaks: the person whom the style names, unless that would state a preference, or anybody."""
    persona = _PERSONA.search(style)
    if persona and not read_wishes(persona[1]).values:
        return f"I am {decapitalised(persona[1])}."
    return fill(rng.choice(world().people.user_intros), rng, slots)


def _wish(meaning: str) -> str:
    return decapitalised(meaning.strip().rstrip(".")) or "answer as you see fit"


def _joined(*parts: str) -> str:
    return " ".join(capitalised(part) for part in parts if part)
