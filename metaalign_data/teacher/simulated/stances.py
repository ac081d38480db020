"""Questions on which two answers exclude each other, and the people whose lives lead to one of the two."""

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, Field

from metaalign_data.chat import FROZEN
from metaalign_data.teacher.simulated.phrases import content_words, fixed_parts

Texts = tuple[str, ...]
CONSENSUS, PERSONAL = "consensus", "personal"


class Persona(BaseModel):
    """A kind of person: what such people tell of themselves, and where they stand."""

    model_config = FROZEN
    stance: str
    background: Texts = Field(min_length=2)


class OpenQuestion(BaseModel):
    model_config = FROZEN
    question: str
    first: str
    second: str


class Opinion(BaseModel):
    """Two kinds of people, and questions that they answer differently."""

    model_config = FROZEN
    first: Persona
    second: Persona
    questions: tuple[OpenQuestion, ...] = Field(min_length=1)


class SharedQuestion(BaseModel):
    model_config = FROZEN
    question: str
    consensus: str
    personal_view: str


class Consensus(BaseModel):
    """Questions that nearly everyone answers in one way, and a background that leads to another."""

    model_config = FROZEN
    background: Texts = Field(min_length=2)
    questions: tuple[SharedQuestion, ...] = Field(min_length=1)


class View(BaseModel):
    """One answer to a question, and the stance of those who give it."""

    model_config = FROZEN
    stance: str
    answer: str


class Stance(BaseModel):
    """A question with two answers that exclude each other. For a consensus, side 0 is what nearly everyone says.

    A background implies a side of an `outlook`, and with it an answer to each of the questions that share it.
    """

    model_config = FROZEN
    name: str
    outlook: str
    question: str
    kind: Literal["opinion", "consensus"]
    sides: tuple[View, View]
    facts: Texts

    @cached_property
    def telling(self) -> tuple[frozenset[str], frozenset[str]]:
        """For each side, the words of its answer that the other's answer, the question and the topic's facts lack."""
        first, second = (_content(side.answer) for side in self.sides)
        common = frozenset().union(*map(_content, (self.question, *self.facts)))
        return first - second - common, second - first - common

    def side(self, name: str) -> View:
        """Raises KeyError when there is none of that name."""
        for side in self.sides:
            if side.stance == name:
                return side
        raise KeyError(name)


def opinion_stances(outlook: str, opinion: Opinion, facts: Texts) -> Iterator[Stance]:
    for i, asked in enumerate(opinion.questions):
        first = View(stance=opinion.first.stance, answer=asked.first)
        second = View(stance=opinion.second.stance, answer=asked.second)
        yield Stance(
            name=f"{outlook}/{i}",
            outlook=outlook,
            question=asked.question,
            kind="opinion",
            sides=(first, second),
            facts=facts,
        )


def consensus_stances(outlook: str, consensus: Consensus, facts: Texts) -> Iterator[Stance]:
    for i, asked in enumerate(consensus.questions):
        shared = View(stance=CONSENSUS, answer=asked.consensus)
        personal = View(stance=PERSONAL, answer=asked.personal_view)
        yield Stance(
            name=f"{outlook}/{i}",
            outlook=outlook,
            question=asked.question,
            kind="consensus",
            sides=(shared, personal),
            facts=facts,
        )


def _content(template: str) -> frozenset[str]:
    return frozenset(content_words(" ".join(fixed_parts(template, 1))))
