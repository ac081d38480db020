"""What is true in the simulated world: how far a response follows a meta-prompt.

Found in the response's text alone, whoever wrote it, so that it measures teachers, judges and trained models alike.
"""

import re
from collections.abc import Callable
from functools import cached_property

from metaalign_data.teacher.simulated.phrases import remembered, squash, words
from metaalign_data.teacher.simulated.read import wanted
from metaalign_data.teacher.simulated.stances import Stance
from metaalign_data.teacher.simulated.world import Dimension, Measure, Value, Want, world

_LISTED = re.compile(r"[ \t]*(?:(?P<bullet>[-*•])|(?P<number>\d{1,3}[.)]))[ \t]+\S")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+\S")
_TABLE_ROW = re.compile(r"[ \t]*\|")
_BOLD = re.compile(r"\*\*[^\s*][^*\n]*\*\*")
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"')]|\Z)")

FEW, MANY = 2, 7  # sentences of an answer that is certainly brief, certainly thorough
ENOUGH_TELLING = 0.6  # share of a view's telling words by which an answer certainly states it
EARLY, LATE = 0.5, 0.3  # an early conclusion begins before, a late one after this part of the answer
_READ_CHARS = 20_000


class Measured:
    """A response and what is measured of it, each once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def spoken(self) -> str:
        return squash(self.text)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        return frozenset(words(self.text))

    @cached_property
    def has_heading(self) -> bool:
        return any(_HEADING.match(line) for line in self.text.splitlines())

    @cached_property
    def has_bold(self) -> bool:
        return _BOLD.search(self.text) is not None

    @cached_property
    def lines(self) -> list[str]:
        """Lines that are neither blank nor a heading."""
        return [line for line in self.text.splitlines() if line.strip() and not _HEADING.match(line)]

    @cached_property
    def sentences(self) -> int:
        """Sentences; a point of a list is one at least, a heading is none."""
        counted = 0
        for line in self.lines:
            listed = _LISTED.match(line)
            counted += max(len(_SENTENCE_END.findall(line, listed.end() if listed else 0)), 1)
        return counted

    @cached_property
    def shares(self) -> tuple[float, float, float]:
        """Of the lines, the shares of bullet points, numbered points and table rows."""
        if not self.lines:
            return 0.0, 0.0, 0.0
        kinds = [found.lastgroup for line in self.lines if (found := _LISTED.match(line))]
        rows = sum(1 for line in self.lines if _TABLE_ROW.match(line))
        n = len(self.lines)
        return kinds.count("bullet") / n, kinds.count("number") / n, rows / n

    def has_any(self, phrases: tuple[str, ...]) -> bool:
        return any(phrase in self.spoken for phrase in phrases)

    def place(self, phrases: tuple[str, ...]) -> float | None:
        """Where the first of the phrases begins, as a part of the whole; None when there is none."""
        found = [at for phrase in phrases if (at := self.spoken.find(phrase)) >= 0]
        return min(found) / len(self.spoken) if found else None


@remembered(_READ_CHARS)
def measured(text: str) -> Measured:
    return Measured(text)


def _few_sentences(response: Measured, value: Value) -> float:
    return 1.0 - _many_sentences(response, value)


def _many_sentences(response: Measured, value: Value) -> float:
    return min(1.0, max(0.0, (response.sentences - FEW) / (MANY - FEW)))


def _bullets(response: Measured, value: Value) -> float:
    return min(1.0, 2 * response.shares[0])


def _numbers(response: Measured, value: Value) -> float:
    return min(1.0, 2 * response.shares[1])


def _prose(response: Measured, value: Value) -> float:
    return 1.0 - min(1.0, 2 * sum(response.shares))


def _marks(response: Measured, value: Value) -> float:
    return float(response.has_any(value.evidence))


def _jargon(response: Measured, value: Value) -> float:
    return float(response.has_any(value.evidence) or response.has_any(world().jargon))


def _early(response: Measured, value: Value) -> float:
    place = response.place(value.evidence)
    return float(place is not None and place < EARLY)


def _late(response: Measured, value: Value) -> float:
    place = response.place(value.evidence)
    return float(place is not None and place >= LATE)


def _asks(response: Measured, value: Value) -> float:
    return float(response.text.rstrip(" \n\"')*_").endswith("?"))


def _headings(response: Measured, value: Value) -> float:
    return float(response.has_heading)


def _bold(response: Measured, value: Value) -> float:
    return float(response.has_bold)


_MEASURES: dict[Measure, Callable[[Measured, Value], float]] = {
    "few_sentences": _few_sentences,
    "many_sentences": _many_sentences,
    "bullets": _bullets,
    "numbers": _numbers,
    "prose": _prose,
    "marks": _marks,
    "jargon": _jargon,
    "early": _early,
    "late": _late,
    "asks": _asks,
    "headings": _headings,
    "bold": _bold,
}


def shows(response: str, want: Want) -> float:
    """How far a response has a value or states a view, and none that contrasts with it: 0 to 1, 0.5 for neither.

    Raises KeyError for a dimension, stance or value that the world does not know.
    """
    found = measured(response)
    stance = world().stances.get(want.dimension)
    evidence = _stance_evidence(found, stance) if stance else _evidence(found, world().dimension[want.dimension])
    own = evidence.pop(want.value)
    return (1.0 + own - max(evidence.values())) / 2


def _evidence(response: Measured, dimension: Dimension) -> dict[str, float]:
    found = {v.name: _MEASURES[v.measure](response, v) for v in dimension.values if v.measure != "absent"}
    most = max(found.values(), default=0.0)
    return found | {v.name: 1.0 - most for v in dimension.values if v.measure == "absent"}


def _stance_evidence(response: Measured, stance: Stance) -> dict[str, float]:
    return {
        side.stance: min(1.0, len(telling & response.vocabulary) / (ENOUGH_TELLING * len(telling)))
        for side, telling in zip(stance.sides, stance.telling, strict=True)
    }


def follows(response: str, system_info: str, user_info: str, query: str, history: str = "") -> float:
    """How far a response does what meta-prompt and earlier turns ask for: 0 (the contrary) to 1 (fully).

    `history` has a line "User: ..." or "Assistant: ..." for each turn. The mean over the dimensions on which something
    is asked for. Where nothing is recognised, the share of the meta-prompt's own words that the response takes up; 1
    where it asks for nothing.
    """
    wishes = wanted(system_info, user_info, query, history)
    if wishes.values:
        return sum(shows(response, Want(*each)) for each in wishes.values.items()) / len(wishes.values)
    if wishes.unread:
        return sum(word in measured(response).vocabulary for word in wishes.unread) / len(wishes.unread)
    return 1.0
