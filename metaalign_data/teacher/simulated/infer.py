"""A blind reader's findings: whether a text states a preference, and which of several it lets one infer."""

import re
from collections.abc import Sequence

from metaalign_data.teacher.simulated.meaning import meaning_of
from metaalign_data.teacher.simulated.phrases import content_words
from metaalign_data.teacher.simulated.policy import read_axis
from metaalign_data.teacher.simulated.read import MOTTO, Wishes, read_history, read_wishes, stance_stated
from metaalign_data.teacher.simulated.turns import said_by_user
from metaalign_data.teacher.simulated.world import world

_OPTION = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]+", re.MULTILINE)
_ENOUGH_WORDS = 0.6  # share of an unknown wish's own words by which a text certainly speaks of it


def implicitness(text: str, meaning: str) -> dict[str, object]:
    """Whether the text states what is meant, as answers.Implicitness has it."""
    meant = meaning_of("", "", meaning)
    said = " ".join(said_by_user(text))
    if meant.view:
        stated = stance_stated(said) == meant.view
    elif meant.wants:
        found = read_wishes(said).stated
        stated = any(found.get(want.dimension) == want.value for want in meant.wants)
    elif meant.axis:
        stated = read_axis(said) == meant.axis
    else:
        stated = MOTTO not in said and _overlap(meaning, content_words(said)) >= _ENOUGH_WORDS
    reason = "It says so itself." if stated else "It says so nowhere; at most it follows from what is told."
    return {"reason": reason, "stated": stated}


def inference(text: str, options: str) -> dict[str, object]:
    """The option, by its number, that the text speaks for most, 0 where none leads, as answers.Inference has it."""
    wishes = read_history(text)
    shares = {number: _speaks_for(wishes, option) for number, option in _numbered(options)}
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] <= 0.0 or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return {"reason": "Nothing in the text speaks for one of them rather than another.", "option": 0}
    told = ", ".join(wishes.values.values()) or "their own words"
    return {"reason": f"What the writer tells points to this ({told}).", "option": ranked[0][0]}


def _numbered(options: str) -> Sequence[tuple[int, str]]:
    parts = _OPTION.split(options)[1:]
    return [(int(number), text.strip()) for number, text in zip(parts[::2], parts[1::2], strict=True)]


def _speaks_for(wishes: Wishes, option: str) -> float:
    """The share of what the option means that is wished for, 0 to 1."""
    meant = meaning_of("", "", option)
    if meant.view:
        stance = world().stances[meant.view.dimension]
        return float(wishes.values.get(stance.outlook) == meant.view.value)
    if meant.wants:
        return sum(wishes.values.get(want.dimension) == want.value for want in meant.wants) / len(meant.wants)
    return _overlap(option, wishes.unread)


def _overlap(meaning: str, said: Sequence[str]) -> float:
    meant = set(content_words(meaning))
    return len(meant & set(said)) / len(meant) if meant else 0.0
