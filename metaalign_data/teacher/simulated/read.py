"""What a meta-prompt asks for: the wishes of provider and user, stated or implied, and who wins a conflict."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from metaalign_data.teacher.simulated.phrases import content_words, remembered, sentences, words
from metaalign_data.teacher.simulated.policy import RISK, Axis, Risk, Winner, read_axis, read_policy, read_risk
from metaalign_data.teacher.simulated.stances import CONSENSUS, Stance
from metaalign_data.teacher.simulated.turns import said_by_user
from metaalign_data.teacher.simulated.world import Topic, Want, world

READ_CHARS = 4000
MOTTO = "a motto that I live by:"
"""What introduces a wish that somebody lets be inferred, where the world has no words for it."""
_NEGATING = (
    "no not never without avoid skip omit drop spare leave than instead nor neither don't cannot stop hate dislike"
)
_NEGATORS = frozenset(_NEGATING.split())
_RESETS = frozenset(("but", "just", "only"))
_NEGATION_REACH = 5  # words between a negator and the cue that it turns round
_INTRODUCTION = re.compile(r"\A(?:you are|you're|this is|we are|this assistant|this service)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Wishes:
    """What one side wants: values by dimension, stated or implied, and, where nothing is recognised, its very words.

    A background implies a side of an outlook (stances.py) in the same way.
    """

    stated: dict[str, str] = field(default_factory=dict)
    implied: dict[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @cached_property
    def values(self) -> dict[str, str]:
        """A stated wish hides an implied one on the same dimension."""
        return self.implied | self.stated

    def then(self, later: "Wishes") -> "Wishes":
        """The wishes of somebody who goes on to say something else: the later word counts, and a stated one more."""
        stated, implied = self.stated | later.stated, self.implied | later.implied
        unread = () if stated or implied else tuple(dict.fromkeys(self.unread + later.unread))
        return Wishes(stated, implied, unread)


@dataclass(frozen=True, slots=True)
class MetaPrompt:
    """A read meta-prompt. `policy`, `axis` and `risk` are None where the provider says nothing on conflicts."""

    provider: Wishes
    user: Wishes
    policy: Winner | None
    axis: Axis | None
    risk: Risk | None


@remembered(READ_CHARS)
def read_wishes(text: str) -> Wishes:
    """Wishes in a text."""
    counts: dict[str, dict[str, int]] = {}
    implied: dict[str, str] = {}
    unread: dict[str, None] = {}
    before, motto, after = text.partition(MOTTO)
    for sentence in sentences(before):
        found = words(sentence)
        _count_stated(found, counts)
        for hit in world().implied.find(found):
            implied.setdefault(*hit.label)
        if not motto and not _INTRODUCTION.match(sentence):
            unread |= dict.fromkeys(content_words(sentence))
    unread |= dict.fromkeys(content_words(sentences(after)[0]))
    stated = {dimension: best for dimension, values in counts.items() if (best := _best(values))}
    return Wishes(stated, implied, () if stated or implied else tuple(unread))


def _count_stated(found: list[str], counts: dict[str, dict[str, int]]) -> None:
    """Add the cues of one sentence, each under its value, or under the contrasting one when it is negated."""
    before, last, last_negated = 0, None, False
    for start, end, want in world().stated.find(found):
        negated = _negated(found, before, start, carried=last_negated and want == last)
        others = world().others(want)
        value, points = (others[0].value, 1) if negated and len(others) == 1 else (want.value, -1 if negated else 1)
        values = counts.setdefault(want.dimension, {})
        values[value] = values.get(value, 0) + points
        before, last, last_negated = end, want, negated


def _negated(found: list[str], before: int, start: int, *, carried: bool) -> bool:
    for i in range(start - 1, start - 1 - _NEGATION_REACH, -1):
        if i < before:
            return carried
        if found[i] in _RESETS:
            return False
        if found[i] in _NEGATORS:
            return True
    return False


def _best(counts: dict[str, int]) -> str | None:
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    if ranked[0][1] <= 0 or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return None
    return ranked[0][0]


@remembered(READ_CHARS)
def read_history(history: str) -> Wishes:
    """Wishes in what the user says in earlier turns. Questions and small talk ask for nothing beyond themselves."""
    found = Wishes()
    for text in said_by_user(history):
        found = found.then(Wishes(unread=_telling(text)) if read_wishes(text).unread else read_wishes(text))
    return found


def _telling(text: str) -> tuple[str, ...]:
    """The words of an unknown wish in one turn."""
    if MOTTO in text:
        return read_wishes(text).unread
    told = [s for s in sentences(text) if not s.endswith("?") and not world().chatter.find(words(s))]
    return tuple(dict.fromkeys(content_words(" ".join(told))))


@remembered(READ_CHARS)
def read_meta_prompt(system_info: str, user_info: str, history: str = "") -> MetaPrompt:
    """What provider and user want. The provider's words on conflicts are policy, axis or risk, not wishes."""
    policy: Winner | None = None
    axis: Axis | None = None
    risk: Risk | None = None
    rest = []
    for sentence in sentences(system_info):
        said_policy, said_risk = read_policy(sentence), read_risk(sentence)
        said_axis = None if world().stated.find(words(sentence)) else read_axis(sentence)
        if said_policy or said_risk or said_axis:
            policy, risk, axis = said_policy or policy, said_risk or risk, said_axis or axis
        else:
            rest.append(sentence)
    user = read_wishes(user_info).then(read_history(history)) if history else read_wishes(user_info)
    return MetaPrompt(read_wishes(" ".join(rest)), user, policy, axis, risk)


@remembered(READ_CHARS)
def wanted(system_info: str, user_info: str, query: str, history: str = "") -> Wishes:
    """What an answer to `query` has to do: the wishes of both sides, and where they conflict, those of the winner.

    Without a word from the provider on conflicts, the provider's rule wins over the user's wish. An outlook counts
    only where the query asks one of its questions, and is then the answer to that one.
    """
    meta = read_meta_prompt(system_info, user_info, history)
    winner, loser = (meta.user, meta.provider) if meta.policy == "user" else (meta.provider, meta.user)
    wishes = loser.values | winner.values
    values = {name: value for name, value in wishes.items() if name in world().dimension} | _view(meta, wishes, query)
    if meta.risk:
        values[RISK] = meta.risk
    if values or wishes:
        return Wishes(values)
    if meta.policy:
        return Wishes(unread=winner.unread or loser.unread)
    return Wishes(unread=tuple(dict.fromkeys(winner.unread + loser.unread)))


def _view(meta: MetaPrompt, wishes: dict[str, str], query: str) -> dict[str, str]:
    """The side of the stance that the query asks for, by stance, where somebody wants one."""
    asked = stance_asked(query)
    if asked is None:
        return {}
    if meta.axis == "consensus":
        return {asked.name: CONSENSUS} if asked.kind == "consensus" else {}
    return {asked.name: wishes[asked.outlook]} if asked.outlook in wishes else {}


@remembered(READ_CHARS)
def stance_asked(query: str) -> Stance | None:
    """The stance that the query asks for, if it is one of the world's questions."""
    hits = world().questions.find(words(query))
    return world().stances[hits[0].label] if hits else None


@remembered(READ_CHARS)
def stance_stated(text: str) -> Want | None:
    """The side of a stance that the text states, if it is one of the world's."""
    hits = world().answers.find(words(text))
    return hits[0].label if hits else None


@remembered(READ_CHARS)
def topic_of(query: str) -> Topic:
    """The topic that asks this question itself, or that most of its words point to; `generic` when none does."""
    asked = stance_asked(query)
    if asked is not None:
        return world().topic[asked.name.partition("/")[0]]
    counts: dict[str, int] = {}
    for hit in world().topic_keywords.find(words(query)):
        counts[hit.label] = counts.get(hit.label, 0) + 1
    return world().topic[max(counts, key=counts.__getitem__) if counts else "generic"]
