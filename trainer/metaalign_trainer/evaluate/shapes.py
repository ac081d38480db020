"""Benchmarks of the field by column mapping: whatever comes down to "which of these answers fits this context".

pair          a context, a right and a wrong answer
two-contexts  two contexts and two answers, the first fits the first and the second the second (RPR)
choices       a context and a list of answers, of which `label` is right (PrefEval, PersonaMem). With `listed` the
              question shows them under letters, shuffled, and the likeliest letter is taken; else the likeliest answer
matrix        k contexts and k answers, each fits the one in its place: controllability
best-of       no context, right answers and wrong ones (RewardBench 2): whether training did harm

A sixth shape, rubrics, has no answers to choose from: rubrics.py.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    shape: Literal["pair", "two-contexts", "choices", "matrix", "best-of", "rubrics"]
    query: str = Field(description="column of the question")
    contexts: tuple[str, ...] = Field(default=(), description="columns of the contexts, or one of a list of them")
    answers: tuple[str, ...] = Field(
        default=(), description="columns of the answers, or one of a list; pair and best-of: the right ones first"
    )
    label: str | None = Field(
        default=None, description="choices: column of the right one, by place from 0, letter or text; null: the first"
    )
    listed: bool = Field(
        default=False, description="choices: the question shows the answers under letters, in an order drawn by row"
    )
    rubrics: str | None = Field(default=None, description="rubrics: column of a list of what the judge scores")
    reference: str | None = Field(default=None, description="rubrics: column of an answer that deserves full scores")
    tier: Literal["user_info", "system_info"] = Field(default="user_info", description="where the contexts stand")
    id: str | None = Field(default=None, description="column that names a row; null counts them")

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        if self.shape == "rubrics" and (self.answers or not self.rubrics):
            raise ValueError("'rubrics' takes a column of rubrics and no answers")
        if self.shape != "rubrics" and (self.rubrics or self.reference or not self.answers):
            raise ValueError(f"'{self.shape}' takes columns of answers and no rubrics")
        if self.listed and self.shape != "choices":
            raise ValueError("only 'choices' can be listed")
        return self


@dataclass(frozen=True)
class Item:
    """One question: for context i, any of `right[i]` is a right answer, by place."""

    id: str
    query: str
    contexts: tuple[str, ...]
    answers: tuple[str, ...]
    right: tuple[frozenset[int], ...]


SEVERAL = ("two-contexts", "matrix")
"""Shapes whose questions are asked under several contexts."""

T = TypeVar("T")
_LETTER = re.compile(r"^\s*\([a-z]\)\s*")


def items(rows: Iterable[Mapping[str, Any]], mapped: Mapped, source: str, seed: int = 0) -> list[Item]:
    """The rows as questions; `seed` decides the order of listed options. Raises DataError as `each_row` does."""
    made = each_row(rows, mapped, source, _item)
    return [_listed(item, seed) for item in made] if mapped.listed else made


def each_row(
    rows: Iterable[Mapping[str, Any]], mapped: Mapped, source: str, read: Callable[[Mapping[str, Any], Mapped, str], T]
) -> list[T]:
    """What `read` makes of each row, given its name.

    Raises DataError, with row and column, on one that does not fit the mapping, and where there is none.
    """
    made: dict[str, T] = {}
    for number, row in enumerate(rows):
        try:
            name = str(row[mapped.id]) if mapped.id else str(number)
            if name in made:
                raise ValueError(f"its {mapped.id} {name!r} is that of an earlier row")
            made[name] = read(row, mapped, name)
        except KeyError as e:
            raise DataError(f"{source}: has no column {e}; it has {', '.join(row)}") from e
        except (ValueError, TypeError, IndexError) as e:
            raise DataError(f"{source}: row {number}: {e}") from e
    if not made:
        raise DataError(f"{source}: holds no rows")
    return list(made.values())


def _item(row: Mapping[str, Any], mapped: Mapped, name: str) -> Item:
    columns = [texts_of(row[column]) for column in mapped.answers]
    answers = tuple(text for texts in columns for text in texts)
    contexts = tuple(text for column in mapped.contexts for text in texts_of(row[column])) or ("",)
    if len(answers) < 2 or not all(text.strip() for text in answers):
        raise ValueError(f"two answers or more are needed, none of them empty; here are {len(answers)}")
    if mapped.shape in SEVERAL:
        if len(contexts) != len(answers):
            raise ValueError(f"{len(contexts)} contexts for {len(answers)} answers")
        right = tuple(frozenset({place}) for place in range(len(answers)))
    elif mapped.shape == "choices":
        right = (frozenset({_place(row[mapped.label], answers) if mapped.label else 0}),)
    else:
        right = (frozenset(range(len(columns[0]))),)
    if len(right) != len(contexts):
        raise ValueError(f"{len(contexts)} contexts, where '{mapped.shape}' takes {len(right)}")
    return Item(name, query_of(row[mapped.query]), contexts, answers, right)


def texts_of(value: object) -> list[str]:
    """A text, a message, or a list of either."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [str(value["content"])]
    if isinstance(value, Sequence):
        return [text for each in value for text in texts_of(each)]
    raise ValueError(f"{value!r} is no text")


def _listed(item: Item, seed: int) -> Item:
    """The same question with its options under letters, in an order that hides which came first."""
    order = list(range(len(item.answers)))
    random.Random(f"{seed} {item.id}").shuffle(order)
    letters = tuple(f"({chr(ord('a') + place)})" for place in range(len(order)))
    options = "\n".join(
        f"{letter} {_LETTER.sub('', item.answers[old])}" for letter, old in zip(letters, order, strict=True)
    )
    query = f"{item.query}\n\n{options}\n\nWhich option suits me best? Answer with its letter alone, such as (a)."
    right = tuple(frozenset(order.index(place) for place in places) for places in item.right)
    return replace(item, query=query, answers=letters, right=right)


def query_of(value: object) -> str:
    """A text, or the last of the messages."""
    return texts_of(value)[-1]


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
    scorer: Scorer, questions: Sequence[Item], mapped: Mapped, layout: Layout, measure: Measure, seed: int = 0
) -> dict[str, Any]:
    """How often the likeliest answer to a context is a right one ("contexts", where a question has several), and how
    often it is for all contexts of a question ("questions").

    A tie for the first place is no success. Questions that the model cannot take are left out and counted by reason.
    For shape "matrix" also "matrix": how often, under context i, answer j is the likeliest; None where k is not the
    same in all questions. The best is 1 on the diagonal.
    """
    examples, left_out = _examples(scorer, questions, mapped.tier, layout)
    scores = scorer.scores([example for of_item in examples.values() for example in of_item], measure)
    whole: list[float] = []
    single: list[float] = []
    likeliest: list[list[list[float]]] = []
    for item in questions:
        if item.id not in examples:
            continue
        of_contexts = [scores[example.id] for example in examples[item.id]]
        won = [_won(own, right) for own, right in zip(of_contexts, item.right, strict=True)]
        whole.append(float(all(won)))
        single.append(sum(won) / len(won))
        likeliest.append([_shares(own) for own in of_contexts])
    if not whole:
        raise DataError(f"no question can be scored: {', '.join(f'{reason} {n}' for reason, n in left_out.items())}")
    told: dict[str, Any] = {"questions": share_of(whole, seed), "left_out": dict(left_out)}
    if mapped.shape in SEVERAL:
        told["contexts"] = share_of(single, seed)
    return told | ({"matrix": _mean_of(likeliest)} if mapped.shape == "matrix" else {})


def _examples(
    scorer: Scorer, questions: Sequence[Item], tier: str, layout: Layout
) -> tuple[dict[str, list[Example]], Counter[str]]:
    """Question -> an example for each of its contexts, and how many questions are left out for which reason."""
    longest = scorer.max_length if scorer.renderer.context is None else min(scorer.max_length, scorer.renderer.context)
    examples: dict[str, list[Example]] = {}
    left_out: Counter[str] = Counter()
    for item in questions:
        try:
            made = [_example(scorer, item, place, tier, layout) for place in range(len(item.contexts))]
        except DataError:
            left_out["template"] += 1
            continue
        if any(len(e.prompt) + max(map(len, e.answers)) > longest for e in made):
            left_out["too_long"] += 1
        else:
            examples[item.id] = made
    return examples, left_out


def _example(scorer: Scorer, item: Item, place: int, tier: str, layout: Layout) -> Example:
    prompt = asked(item.query, item.contexts[place], tier, layout)
    answers = tuple(tuple(scorer.renderer.answer(prompt, text)) for text in item.answers)
    return Example(f"{item.id} {place}", tuple(scorer.renderer.prompt(prompt)), answers)


def asked(query: str, context: str, tier: str, layout: Layout) -> list[Message]:
    """The prompt of a question under a context, as a row of a dataset has it; without one, the question alone."""
    prompt: list[Message] = [{"role": "user", "content": query}]
    if context:
        system = layout(context, "") if tier == "system_info" else layout("", context)
        prompt.insert(0, {"role": "system", "content": system})
    return prompt


def _won(scores: Sequence[float], right: frozenset[int]) -> bool:
    return all(place in right for place in _first(scores))


def _first(scores: Sequence[float]) -> list[int]:
    best = max(scores)
    return [place for place, score in enumerate(scores) if score == best]


def _shares(scores: Sequence[float]) -> list[float]:
    """1 for the likeliest answer; equal parts where several are."""
    first = _first(scores)
    return [float(place in first) / len(first) for place in range(len(scores))]


def _mean_of(tables: Sequence[Sequence[Sequence[float]]]) -> list[list[float]] | None:
    import numpy as np

    if len({len(table) for table in tables}) > 1:
        return None
    mean: list[list[float]] = np.mean(np.array(tables), axis=0).tolist()
    return mean


def share_of(values: Sequence[float], seed: int) -> dict[str, Any]:
    """The mean of a value for each question with its interval, for JSON."""
    import numpy as np

    return asdict(share(np.array(values), list(range(len(values))), seed))
