"""Questions of value and of opinion on the subject of a query, with the people who answer them in their own way."""

from random import Random

from metaalign_data.teacher.simulated.people import persona
from metaalign_data.teacher.simulated.phrases import capitalised, fill
from metaalign_data.teacher.simulated.read import topic_of
from metaalign_data.teacher.simulated.world import world
from metaalign_data.teacher.simulated.write import subject_of

_SUBJECT_WORDS = 3


def consensus_questions(query: str, count: int, rng: Random) -> dict[str, object]:
    """Up to `count` questions on which nearly everyone agrees, as answers.ConsensusQuestions has them."""
    chosen = rng.choice(world().consensus[topic_of(query).name])
    asked = rng.sample(chosen.questions, min(count, len(chosen.questions)))
    slots = {"subject": subject_of(query)}
    told = [{name: capitalised(fill(text, rng, slots)) for name, text in question} for question in asked]
    return {"background": persona(chosen.background, rng), "questions": told}


def opinion_questions(query: str, count: int, rng: Random) -> dict[str, object]:
    """Up to `count` questions on which two people differ, as answers.OpinionQuestions has them."""
    chosen = rng.choice(world().opinions[topic_of(query).name])
    asked = rng.sample(chosen.questions, min(count, len(chosen.questions)))
    subject = subject_of(query)
    sides = ["first", "second"]
    rng.shuffle(sides)
    people = {"first": chosen.first, "second": chosen.second}
    questions = [
        {
            "question": capitalised(fill(question.question, rng, {"subject": subject})),
            **{
                shown: capitalised(fill(getattr(question, side), rng, {"subject": subject}))
                for shown, side in zip(people, sides, strict=True)
            },
        }
        for question in asked
    ]
    return {
        "subject": " ".join(subject.strip('"').split()[:_SUBJECT_WORDS]),
        **{
            shown: {"background": persona(people[side].background, rng), "stance": people[side].stance}
            for shown, side in zip(people, sides, strict=True)
        },
        "questions": questions,
    }
