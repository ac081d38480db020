"""What a meta-prompt asks for: the wishes of provider and user, stated or implied, and who wins a conflict."""

import re
from dataclasses import dataclass, field
from typing import Literal

from metaalign_data.teacher.simulated.phrases import content_words, remembered, sentences, words
from metaalign_data.teacher.simulated.world import Stance, Topic, Want, world

Winner = Literal["provider", "user"]
Axis = Literal["consensus", "background"]

READ_CHARS = 4000
_NEGATING = (
    "no not never without avoid skip omit drop spare leave than instead nor neither don't cannot stop hate dislike"
)
_NEGATORS = frozenset(_NEGATING.split())
_RESETS = frozenset(("but", "just", "only"))
_NEGATION_REACH = 5  # words between a negator and the cue that it turns round

_PROVIDER = r"(?:rules?|guidelines?|instructions?|polic(?:y|ies)|defaults?|service|provider|operator)"
_USER = r"(?:users?(?:'s)?|customers?(?:'s)?|individuals?)"
_PARTY = re.compile(rf"\b(?:(?P<provider>{_PROVIDER})|(?P<user>{_USER}))\b")
_BEATS = re.compile(
    r"\b(?:comes? before|goes? before|(?:takes?|has|have) (?:priority|precedence) over"
    r"|overrides?|outranks?|outweighs?|trumps?)\b"
)
_YIELDS = re.compile(r"\b(?:gives? way to|yields? to|defers? to|bows? to)\b")
_PREVAILS = re.compile(r"\b(?:prevails?|wins?|(?:takes?|has|have) (?:priority|precedence)|comes? first)\b")
_FOLLOW = re.compile(r"\b(?:follow|obey|heed|do as)\b")
_AXIS = re.compile(
    r"(?P<turned>\b(?:not|than|instead of)\b(?:\W+\w+){0,3}?\W+)?"
    r"\b(?:(?P<consensus>nearly everyone|most people|consensus|general public|majority)"
    r"|(?P<background>background|individual user))\b",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(r"\A(?:you are|you're|this is|we are|this assistant|this service)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one side wants: a value for each dimension, and, where nothing is recognised, its very words."""

    values: dict[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetaPrompt:
    """A read meta-prompt. `policy` and `axis` are None where the provider says nothing on conflicts."""

    provider: Wishes
    user: Wishes
    policy: Winner | None
    axis: Axis | None


def read_policy(sentence: str) -> Winner | None:
    """Who wins a conflict between provider and user, by a sentence that names both; None when it does not say."""
    text = " ".join(words(sentence))
    parties = [(m.start(), _kind(m)) for m in _PARTY.finditer(text)]
    if len({kind for _, kind in parties}) < 2:
        return None
    for relation, winner_stands_after in ((_YIELDS, True), (_BEATS, False), (_PREVAILS, False), (_FOLLOW, True)):
        if found := relation.search(text):
            if winner_stands_after:
                named = [kind for start, kind in parties if start >= found.end()]
                return named[0] if named else None
            named = [kind for start, kind in parties if start < found.start()]
            return named[-1] if named else None
    return None


def _kind(match: re.Match[str]) -> Winner:
    return "provider" if match["provider"] else "user"


def read_axis(sentence: str) -> Axis | None:
    """Whether values are to follow the consensus or the user's background: the one that is named first."""
    found = _AXIS.search(sentence)
    if found is None:
        return None
    if found["turned"]:
        return "background" if found["consensus"] else "consensus"
    return "consensus" if found["consensus"] else "background"


@remembered(READ_CHARS)
def read_wishes(text: str) -> Wishes:
    """Wishes in a text. A stated wish hides an implied one on the same dimension."""
    stated: dict[str, dict[str, int]] = {}
    implied: dict[str, str] = {}
    unread: dict[str, None] = {}
    for sentence in sentences(text):
        found = words(sentence)
        _count_stated(found, stated)
        for hit in world().implied.find(found):
            implied.setdefault(*hit.label)
        if not _INTRODUCTION.match(sentence):
            unread |= dict.fromkeys(content_words(sentence))
    values = implied | {dimension: best for dimension, counts in stated.items() if (best := _best(counts))}
    return Wishes(values, () if values else tuple(unread))


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
def read_meta_prompt(system_info: str, user_info: str) -> MetaPrompt:
    """What provider and user want. The provider's words on conflicts are policy or axis, not wishes."""
    policy: Winner | None = None
    axis: Axis | None = None
    rest = []
    for sentence in sentences(system_info):
        said_policy, said_axis = read_policy(sentence), read_axis(sentence)
        if said_policy or said_axis:
            policy, axis = said_policy or policy, said_axis or axis
        else:
            rest.append(sentence)
    return MetaPrompt(read_wishes(" ".join(rest)), read_wishes(user_info), policy, axis)


@remembered(READ_CHARS)
def wanted(system_info: str, user_info: str, query: str) -> Wishes:
    """What an answer to `query` has to do: the wishes of both sides, and where they conflict, those of the winner.

    Without a word from the provider on conflicts, the provider's rule wins over the user's wish.
    """
    meta = read_meta_prompt(system_info, user_info)
    winner, loser = (meta.user, meta.provider) if meta.policy == "user" else (meta.provider, meta.user)
    values = loser.values | winner.values
    if meta.axis == "consensus":
        values = _with_consensus(values, query)
    if values:
        return Wishes(values)
    if meta.policy:
        return Wishes(unread=winner.unread or loser.unread)
    return Wishes(unread=tuple(dict.fromkeys(winner.unread + loser.unread)))


def _with_consensus(values: dict[str, str], query: str) -> dict[str, str]:
    """The wishes with the consensus in the place of personal views."""
    stances = world().stances
    kept = {name: value for name, value in values.items() if name not in stances}
    concerned = {name for name in values if name in stances and stances[name].kind == "consensus"}
    asked = stance_asked(query)
    if asked is not None and asked.kind == "consensus":
        concerned.add(asked.name)
    return kept | dict.fromkeys(sorted(concerned), "consensus")


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
