"""The small world of the simulated teacher, typed: topics, dimensions with their values, stances, people.

Loaded on first use from the YAML files beside this module; their heads say what each field means.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, Field

from metaalign_data.chat import FROZEN
from metaalign_data.teacher.simulated.phrases import Lexicon, fixed_parts, squash, telling_parts
from metaalign_data.teacher.simulated.stances import (
    PERSONAL,
    Consensus,
    Opinion,
    Stance,
    Texts,
    consensus_stances,
    opinion_stances,
)

_FOLDER = Path(__file__).parent
_MIN_FIXED_WORDS = 3

Measure = Literal[
    "marks",
    "jargon",
    "early",
    "late",
    "asks",
    "headings",
    "bold",
    "absent",
    "few_sentences",
    "many_sentences",
    "prose",
    "bullets",
    "numbers",
]

Layout = Literal["prose", "bullets", "numbers"]


class Want(NamedTuple):
    """A value of a dimension, or a side of a stance, that somebody wants."""

    dimension: str
    value: str


class Show(BaseModel):
    """How an answer has a value.

    `headings` are the titles of the two halves of its body; with `bold`, the key word of a sentence is in bold type.
    """

    model_config = FROZEN
    open: Texts = ()
    insert: Texts = ()
    close: Texts = ()
    lead: Texts = ()
    replace: dict[str, str] = Field(default_factory=dict)
    layout: Layout | None = None
    headings: tuple[str, str] | None = None
    bold: bool = False
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


class AxisWishes(BaseModel):
    """How a provider asks for the consensus, or for what fits the user's background, on questions of value."""

    model_config = FROZEN
    consensus: Texts = Field(min_length=1)
    background: Texts = Field(min_length=1)


class People(BaseModel):
    """What people say around their preferences, and words for the slots of what they tell of themselves."""

    model_config = FROZEN
    user_openers: Texts
    provider_openers: Texts
    more_openers: Texts
    leads: Texts
    user_intros: Texts
    asides: Texts
    services: Texts
    axis: AxisWishes
    greetings: Texts
    small_talk: Texts
    neutral_replies: Texts
    jobs: Texts
    places: Texts
    names: Texts


class World(BaseModel):
    model_config = FROZEN
    dimensions: tuple[Dimension, ...]
    topics: tuple[Topic, ...]
    opinions: dict[str, tuple[Opinion, ...]]
    consensus: dict[str, tuple[Consensus, ...]]
    people: People

    @cached_property
    def dimension(self) -> dict[str, Dimension]:
        return {dimension.name: dimension for dimension in self.dimensions}

    @cached_property
    def topic(self) -> dict[str, Topic]:
        return {topic.name: topic for topic in self.topics}

    @cached_property
    def stances(self) -> dict[str, Stance]:
        found: list[Stance] = []
        for topic in self.topics:
            for outlook, opinion in _numbered(f"{topic.name}/opinion", self.opinions[topic.name]):
                found += opinion_stances(outlook, opinion, topic.facts)
            for outlook, consensus in _numbered(f"{topic.name}/consensus", self.consensus[topic.name]):
                found += consensus_stances(outlook, consensus, topic.facts)
        return {stance.name: stance for stance in found}

    @cached_property
    def backgrounds(self) -> dict[Want, Texts]:
        """For each side of an outlook, what people tell of themselves who are on it."""
        found: dict[Want, Texts] = {}
        for topic in self.topics:
            for outlook, opinion in _numbered(f"{topic.name}/opinion", self.opinions[topic.name]):
                for persona in (opinion.first, opinion.second):
                    found[Want(outlook, persona.stance)] = persona.background
            for outlook, consensus in _numbered(f"{topic.name}/consensus", self.consensus[topic.name]):
                found[Want(outlook, PERSONAL)] = consensus.background
        return found

    @cached_property
    def topic_keywords(self) -> Lexicon[str]:
        return Lexicon((word, topic.name) for topic in self.topics for word in topic.keywords)

    @cached_property
    def stated(self) -> Lexicon[Want]:
        """Cues by which somebody states a wish."""
        return Lexicon((cue, Want(d.name, v.name)) for d in self.dimensions for v in d.values for cue in v.cues)

    @cached_property
    def implied(self) -> Lexicon[Want]:
        """Signs by which a background, or a manner of writing, implies a wish, or a side of an outlook."""
        values = [
            (sign, Want(d.name, v.name))
            for d in self.dimensions
            for v in d.values
            for sign in (*v.signs, *_telling((*v.implicit, *v.writing)))
        ]
        views = [(part, want) for want, told in self.backgrounds.items() for part in _telling(told)]
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
    def chatter(self) -> Lexicon[bool]:
        """What is said for the sake of talking."""
        texts = (*self.people.small_talk, *self.people.asides, *self.people.user_intros)
        told = (part for text in texts for part in telling_parts(text, 2))
        greetings = (part for text in self.people.greetings for part in fixed_parts(text, 1))
        return Lexicon((part, True) for part in (*told, *greetings))

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


N = TypeVar("N")


def _numbered(name: str, entries: Iterable[N]) -> Iterator[tuple[str, N]]:
    return ((f"{name}/{i}", entry) for i, entry in enumerate(entries))


def _telling(templates: Texts) -> list[str]:
    return [part for template in templates for part in telling_parts(template, _MIN_FIXED_WORDS)]


def _files() -> list[Path]:
    told = (_FOLDER / f"{name}.yaml" for name in ("topics", "opinions", "consensus", "people"))
    return [*sorted((_FOLDER / "dimensions").glob("*.yaml")), *told]


@cache
def world_digest() -> str:
    """Hash of all that the simulated teacher knows."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in _files())).hexdigest()[:16]


@cache
def world() -> World:
    """The world, read once in the life of the process."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
    read = [yaml.load(path.read_bytes(), Loader=loader) for path in _files()]  # noqa: S506
    *dimensions, topics, opinions, consensus, people = read
    return World.model_validate(
        {
            "dimensions": list(chain.from_iterable(dimensions)),
            "topics": topics,
            "opinions": opinions,
            "consensus": consensus,
            "people": people,
        }
    )
