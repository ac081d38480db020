"""Benchmarks of the field by column mapping: whatever comes down to "which of these answers fits this context".

pair          a context, a right and a wrong answer
two-contexts  two contexts and two answers, the first fits the first and the second the second (RPR)
choices       a context and a list of answers, of which `label` is right (PrefEval, PersonaMem); the likelier answer
              is taken, so that letters and the order of the options play no part
matrix        k contexts and k answers, each fits the one in its place: controllability
best-of       no context, right answers and wrong ones (RewardBench 2): whether training did harm
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from metaalign_trainer.data import Example
from metaalign_trainer.errors import DataError
from metaalign_trainer.evaluate.figures import share
from metaalign_trainer.evaluate.score import Measure, Scorer
from metaalign_trainer.template import Message

Layout = Callable[[str, str], str]
"""System Info and User Info -> the system message that a dataset's rows hold."""


class Mapped(BaseModel):
    """Which columns of a benchmark hold what."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    shape: Literal["pair", "two-contexts", "choices", "matrix", "best-of"]
    query: str = Field(description="column of the question")
    contexts: tuple[str, ...] = Field(default=(), description="columns of the contexts, or one of a list of them")
    answers: tuple[str, ...] = Field(
        min_length=1, description="columns of the answers, or one of a list; pair and best-of: the right ones first"
    )
    label: str | None = Field(
        default=None, description="choices: column of the right one, by place from 0, letter or text; null: the first"
    )
    tier: Literal["user_info", "system_info"] = Field(default="user_info", description="where the contexts stand")
    id: str | None = Field(default=None, description="column that names a row; null counts them")


@dataclass(frozen=True)
class Item:
    """One question: for context i, any of `right[i]` is a right answer, by place."""

    id: str
    query: str
    contexts: tuple[str, ...]
    answers: tuple[str, ...]
    right: tuple[frozenset[int], ...]


def items(rows: Iterable[Mapping[str, Any]], mapped: Mapped, source: str) -> list[Item]:
    """The rows as questions. Raises DataError, with row and column, on one that does not fit the mapping."""
    made = []
    for number, row in enumerate(rows):
        try:
            made.append(_item(row, mapped, str(row[mapped.id]) if mapped.id else str(number)))
        except KeyError as e:
            raise DataError(f"{source}: has no column {e}; it has {', '.join(row)}") from e
        except (ValueError, TypeError, IndexError) as e:
            raise DataError(f"{source}: row {number}: {e}") from e
    if not made:
        raise DataError(f"{source}: holds no rows")
    return made


def _item(row: Mapping[str, Any], mapped: Mapped, name: str) -> Item:
    columns = [_texts(row[column]) for column in mapped.answers]
    answers = tuple(text for texts in columns for text in texts)
    contexts = tuple(text for column in mapped.contexts for text in _texts(row[column])) or ("",)
    if len(answers) < 2 or not all(text.strip() for text in answers):
        raise ValueError(f"two answers or more are needed, none of them empty; here are {len(answers)}")
    if mapped.shape in ("two-contexts", "matrix"):
        if len(contexts) != len(answers):
            raise ValueError(f"{len(contexts)} contexts for {len(answers)} answers")
        right = tuple(frozenset({place}) for place in range(len(answers)))
    elif mapped.shape == "choices":
        right = (frozenset({_place(row[mapped.label], answers) if mapped.label else 0}),)
    else:
        right = (frozenset(range(len(columns[0]))),)
    if len(right) != len(contexts):
        raise ValueError(f"{len(contexts)} contexts, where '{mapped.shape}' takes {len(right)}")
    return Item(name, _query(row[mapped.query]), contexts, answers, right)


def _texts(value: object) -> list[str]:
    """A text, a message, or a list of either."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [str(value["content"])]
    if isinstance(value, Sequence):
        return [text for each in value for text in _texts(each)]
    raise ValueError(f"{value!r} is no text")


def _query(value: object) -> str:
    """A text, or the last of the messages."""
    return _texts(value)[-1]


def _place(label: object, answers: Sequence[str]) -> int:
    if isinstance(label, int):
        place = label
    elif str(label) in answers:
        place = answers.index(str(label))
    else:
        letter = str(label).strip(" ().").lower()
        place = ord(letter) - ord("a") if len(letter) == 1 and letter.isalpha() else -1
    if not 0 <= place < len(answers):
        raise ValueError(f"the label {label!r} names none of {len(answers)} answers")
    return place


def benchmark(
    scorer: Scorer, questions: Sequence[Item], tier: str, layout: Layout, measure: Measure, seed: int = 0
) -> dict[str, Any]:
    """How often the likeliest answer to a context is a right one, and how often it is for all contexts of a question.

    A tie for the first place is no success. Questions that are longer than the model takes are left out and counted.
    """
    examples: dict[str, Example] = {}
    too_long = 0
    for item in questions:
        made = {
            f"{item.id} {place}": _example(scorer, item, place, tier, layout) for place in range(len(item.contexts))
        }
        if any(len(e.prompt) + max(map(len, e.answers)) > scorer.max_length for e in made.values()):
            too_long += 1
        else:
            examples |= made
    scores = scorer.scores(list(examples.values()), measure)
    whole: list[float] = []
    single: list[float] = []
    for item in questions:
        names = [f"{item.id} {place}" for place in range(len(item.contexts))]
        if names[0] not in scores:
            continue
        won = [_won(scores[name], right) for name, right in zip(names, item.right, strict=True)]
        whole.append(float(all(won)))
        single.append(sum(won) / len(won))
    if not whole:
        raise DataError(f"all {too_long} questions are longer than {scorer.max_length} tokens")
    return {"contexts": _told(single, seed), "questions": _told(whole, seed), "too_long": too_long}


def _example(scorer: Scorer, item: Item, place: int, tier: str, layout: Layout) -> Example:
    context = item.contexts[place]
    system = layout(context, "") if tier == "system_info" else layout("", context)
    prompt: list[Message] = [{"role": "user", "content": item.query}]
    if context:
        prompt.insert(0, {"role": "system", "content": system})
    answers = tuple(tuple(scorer.renderer.answer(prompt, text)) for text in item.answers)
    return Example(f"{item.id} {place}", tuple(scorer.renderer.prompt(prompt)), answers)


def _won(scores: Sequence[float], right: frozenset[int]) -> bool:
    best = max(scores)
    first = [place for place, score in enumerate(scores) if score == best]
    return all(place in right for place in first)


def _told(values: Sequence[float], seed: int) -> dict[str, Any]:
    import numpy as np

    found = share(np.array(values), list(range(len(values))), seed)
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
