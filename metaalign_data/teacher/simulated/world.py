"""The small world of the simulated teacher, typed: topics, dimensions with their values, stances, people.

Loaded on first use from the YAML files beside this module; their heads say what each field means.
"""

import hashlib
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, Field

from metaalign_data.chat import FROZEN
from metaalign_data.teacher.simulated.phrases import Lexicon, content_words, fixed_parts, squash, telling_parts

_FOLDER = Path(__file__).parent
_MIN_FIXED_WORDS = 3

Texts = tuple[str, ...]
Measure = Literal[
    "marks",
    "jargon",
    "early",
    "late",
    "asks",
    "absent",
    "few_sentences",
    "many_sentences",
    "prose",
    "bullets",
    "numbers",
]


class Want(NamedTuple):
    """A value of a dimension, or a side of a stance, that somebody wants."""

    dimension: str
    value: str


class Show(BaseModel):
    """How an answer has a value."""

    model_config = FROZEN
    open: Texts = ()
    insert: Texts = ()
    close: Texts = ()
    lead: Texts = ()
    replace: dict[str, str] = Field(default_factory=dict)
    layout: Literal["prose", "bullets", "numbers"] | None = None
    conclusion: Literal["first", "last"] | None = None
    sentences: int | None = Field(default=None, ge=1)


class Value(BaseModel):
    model_config = FROZEN
    name: str
    explicit: Texts = Field(min_length=1)
    cues: Texts = Field(min_length=1)
    implicit: Texts = Field(min_length=4)
    writing: Texts = ()
    signs: Texts = ()
    show: Show
    marks: Texts = ()
    measure: Measure = "marks"

    @cached_property
    def evidence(self) -> Texts:
        """Squashed phrases (phrases.squash) of which one in an answer shows this value."""
        shown = (*self.show.open, *self.show.insert, *self.show.close)
        parts = (
            part
            for text in shown
            for part in (*fixed_parts(text, _MIN_FIXED_WORDS), *telling_parts(text, _MIN_FIXED_WORDS + 1))
        )
        return tuple(sorted({squash(phrase) for phrase in (*self.marks, *parts)}))


class Dimension(BaseModel):
    model_config = FROZEN
    name: str
    values: tuple[Value, ...] = Field(min_length=2)

    def value(self, name: str) -> Value:
        """Raises KeyError when there is none of that name."""
        for value in self.values:
            if value.name == name:
                return value
        raise KeyError(name)


class View(BaseModel):
    """Where somebody stands on a question: `background` implies it, `answer` states it."""

    model_config = FROZEN
    stance: str
    background: Texts
    answer: str


class Opinion(BaseModel):
    model_config = FROZEN
    question: str
    sides: tuple[View, View]


class Consensus(BaseModel):
    model_config = FROZEN
    question: str
    consensus: str
    background: str
    personal_view: str


class Topic(BaseModel):
    model_config = FROZEN
    name: str
    subject: str
    keywords: Texts
    general: str
    facts: Texts = Field(min_length=7)
    expert: Texts = Field(min_length=2)
    terms: Texts
    example: str
    analogy: str
    recommendation: str
    options: tuple[str, str]
    steps: Texts
    opinions: tuple[Opinion, ...] = Field(min_length=1)
    consensus: tuple[Consensus, ...] = Field(min_length=1)


class People(BaseModel):
    """Openers, and words for the slots of what people tell of themselves."""

    model_config = FROZEN
    user_openers: Texts
    provider_openers: Texts
    leads: Texts
    user_intros: Texts
    asides: Texts
    services: Texts
    jobs: Texts
    places: Texts
    names: Texts


class Stance(BaseModel):
    """A question on which two answers exclude each other. For a consensus, side 0 is what nearly everyone says."""

    model_config = FROZEN
    name: str
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


def _content(template: str) -> frozenset[str]:
    return frozenset(content_words(" ".join(fixed_parts(template, 1))))


class World(BaseModel):
    model_config = FROZEN
    dimensions: tuple[Dimension, ...]
    topics: tuple[Topic, ...]
    people: People

    @cached_property
    def dimension(self) -> dict[str, Dimension]:
        return {dimension.name: dimension for dimension in self.dimensions}

    @cached_property
    def topic(self) -> dict[str, Topic]:
        return {topic.name: topic for topic in self.topics}

    @cached_property
    def stances(self) -> dict[str, Stance]:
        found = [stance for topic in self.topics for stance in _stances(topic)]
        return {stance.name: stance for stance in found}

    @cached_property
    def topic_keywords(self) -> Lexicon[str]:
        return Lexicon((word, topic.name) for topic in self.topics for word in topic.keywords)

    @cached_property
    def stated(self) -> Lexicon[Want]:
        """Cues by which somebody states a wish."""
        return Lexicon((cue, Want(d.name, v.name)) for d in self.dimensions for v in d.values for cue in v.cues)

    @cached_property
    def implied(self) -> Lexicon[Want]:
        """Signs by which a background, or a manner of writing, implies a wish or a stance."""
        values = [
            (sign, Want(d.name, v.name))
            for d in self.dimensions
            for v in d.values
            for sign in (*v.signs, *_telling((*v.implicit, *v.writing)))
        ]
        views = [
            (part, Want(stance.name, side.stance))
            for stance in self.stances.values()
            for side in stance.sides
            for part in _telling(side.background)
        ]
        return Lexicon([*values, *views])

    @cached_property
    def questions(self) -> Lexicon[str]:
        """Questions by which a stance is asked for."""
        return Lexicon(
            (part, s.name) for s in self.stances.values() for part in fixed_parts(s.question, _MIN_FIXED_WORDS)
        )

    @cached_property
    def answers(self) -> Lexicon[Want]:
        """Answers that state a stance."""
        return Lexicon(
            (part, Want(stance.name, side.stance))
            for stance in self.stances.values()
            for side in stance.sides
            for part in fixed_parts(side.answer, _MIN_FIXED_WORDS)
        )

    @cached_property
    def all_evidence(self) -> Texts:
        """What an answer says only to show a value."""
        shown = (phrase for d in self.dimensions for v in d.values for phrase in v.evidence)
        return (*sorted(set(shown)), *self.jargon)

    @cached_property
    def jargon(self) -> Texts:
        """Squashed technical terms of all topics."""
        return tuple(sorted({squash(term) for topic in self.topics for term in topic.terms}))

    def others(self, want: Want) -> tuple[Want, ...]:
        """What contrasts with it: the other values of its dimension, the other side of its stance."""
        if want.dimension in self.stances:
            names = [side.stance for side in self.stances[want.dimension].sides]
        else:
            names = [value.name for value in self.dimension[want.dimension].values]
        return tuple(Want(want.dimension, name) for name in names if name != want.value)


def _telling(templates: Texts) -> list[str]:
    return [part for template in templates for part in telling_parts(template, _MIN_FIXED_WORDS)]


def _stances(topic: Topic) -> list[Stance]:
    opinions = [
        Stance(name=f"{topic.name}/opinion/{i}", question=o.question, kind="opinion", sides=o.sides, facts=topic.facts)
        for i, o in enumerate(topic.opinions)
    ]
    shared = [
        Stance(
            name=f"{topic.name}/consensus/{i}",
            question=c.question,
            kind="consensus",
            facts=topic.facts,
            sides=(
                View(stance="consensus", background=(), answer=c.consensus),
                View(stance="personal", background=(c.background,), answer=c.personal_view),
            ),
        )
        for i, c in enumerate(topic.consensus)
    ]
    return opinions + shared


def _files() -> list[Path]:
    return [*sorted((_FOLDER / "dimensions").glob("*.yaml")), _FOLDER / "topics.yaml", _FOLDER / "people.yaml"]


@cache
def world_digest() -> str:
    """Hash of all that the simulated teacher knows."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in _files())).hexdigest()[:16]


@cache
def world() -> World:
    """The world, read once in the life of the process."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
    *dimensions, topics, people = (yaml.load(path.read_bytes(), Loader=loader) for path in _files())  # noqa: S506
    return World.model_validate(
        {"dimensions": list(chain.from_iterable(dimensions)), "topics": topics, "people": people}
    )
