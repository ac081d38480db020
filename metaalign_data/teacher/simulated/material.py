"""Answers to the prompts that write or check the material of a dataset, told apart by their tags and keys."""

import re
from random import Random

from metaalign_data.teacher.simulated import dialogues, explain, infer, people, questions
from metaalign_data.teacher.simulated.asked import Asked
from metaalign_data.teacher.simulated.meaning import meaning_of

_MAX_QUESTIONS = 5
_COUNT = re.compile(r"\d{1,2}")

_MANNER = "manner"  # what prompts/write_writing_sample.md is about


def answer(asked: Asked, rng: Random) -> dict[str, object] | None:
    """The answer as the prompt's model in answers.py has it; None for a prompt that asks for a response."""
    given = asked.inputs
    if asked.has("text", "options"):
        return infer.inference(given["text"], given["options"])
    if asked.has("text", "meaning"):
        return infer.implicitness(given["text"], given["meaning"])
    if asked.has("meaning"):
        return _told(asked, rng)
    if asked.has("response_a", "response_b"):
        speaker, style = given.get("speaker", "user"), given.get("style", "")
        return explain.explanation(given["response_a"], given["response_b"], speaker, style, rng)
    if asked.names("turns"):
        return dialogues.small_talk(rng)
    if asked.has("query") and asked.names("personal_view"):
        return questions.consensus_questions(given["query"], _count(asked), rng)
    if asked.has("query") and asked.names("stance"):
        return questions.opinion_questions(given["query"], _count(asked), rng)
    return None


def _told(asked: Asked, rng: Random) -> dict[str, object]:
    """A preference as somebody tells it: stated, or, where a contrast is given, to be inferred."""
    given = asked.inputs
    meaning = meaning_of(given.get("dimension", ""), given.get("value", ""), given["meaning"])
    style = given.get("style", "")
    if "contrast" not in given:
        return {"text": people.explicit_preference(given.get("speaker", "user"), meaning, style, rng)}
    if asked.names("turns"):
        return dialogues.telling_dialogue(meaning, style, rng)
    if _MANNER in asked.frame and len(meaning.values) == 1:
        return {"text": people.writing_sample(meaning.values[0], rng)}
    return {"text": people.background(meaning, style, rng)}


def _count(asked: Asked) -> int:
    """How many questions are asked for, 1 to 5; 1 where it does not say."""
    found = _COUNT.search(asked.inputs.get("questions", ""))
    return min(_MAX_QUESTIONS, max(1, int(found[0]))) if found else 1
