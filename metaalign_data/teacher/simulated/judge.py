"""Verdicts of the simulated judge: what follows the meta-prompt further wins."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from metaalign_data.teacher.simulated.phrases import words
from metaalign_data.teacher.simulated.read import wanted
from metaalign_data.teacher.simulated.truth import follows

BEST, WORST = 10, 1
_CRITERION = re.compile(r"^- ([a-z][a-z0-9_]*): ", re.MULTILINE)
_CLEAR_WIN = (8, 4)  # scores of a verdict that something other than the meta-prompt decided
_DECLINED = re.compile(
    r"\W*(?:i am sorry|i'm sorry|sorry)\b.{0,20}\bi (?:cannot|can't|will not|won't)\b", re.IGNORECASE
)
_MIN_WORDS_BEYOND = 16  # of an answer that declines and still offers something


@dataclass(frozen=True, slots=True)
class Verdict:
    """Scores from 1 (does not follow at all) to 10 (follows fully)."""

    score_a: int
    score_b: int
    reason: str

    @property
    def winner(self) -> Literal["a", "b", "tie"]:
        return "tie" if self.score_a == self.score_b else "a" if self.score_a > self.score_b else "b"

    def flipped(self) -> "Verdict":
        """What a judge says who has mixed the two up."""
        return Verdict(self.score_b, self.score_a, self.reason)

    def overall(self) -> dict[str, object]:
        """As answers.PairwiseVerdict."""
        return {"reason": self.reason, "score_a": self.score_a, "score_b": self.score_b, "winner": self.winner}

    def by_criterion(self, criteria: Sequence[str]) -> dict[str, object]:
        """As answers.RubricVerdict. This judge knows one quality, following, and finds it in each criterion."""
        scores = {"reason": self.reason, "score_a": self.score_a, "score_b": self.score_b}
        return {"criteria": [{"name": name, **scores} for name in criteria], "winner": self.winner}


def criteria(frame: str) -> list[str]:
    """Names of the criteria that the text around the inputs lists; none where one overall score is asked for."""
    return _CRITERION.findall(frame)


def judge(
    system_info: str,
    user_info: str,
    query: str,
    response_a: str,
    response_b: str,
    *,
    history: str = "",
    may_tie: bool = True,
) -> Verdict:
    """The verdict of a judge without faults: the same for equal responses, mirrored for swapped ones.

    Where nothing in the meta-prompt decides, a judge who may not tie tosses a coin that lands the same way for the
    same two responses.
    """
    wishes = wanted(system_info, user_info, query, history)
    if wishes.values or wishes.unread:
        infos = (system_info, user_info, query, history)
        score_a, score_b = (_score(follows(text, *infos)) for text in (response_a, response_b))
    else:
        score_a, score_b = (BEST if answers(text) else WORST for text in (response_a, response_b))
    if score_a == score_b and not may_tie:
        return _tossed(query, response_a, response_b)
    asked = ", ".join((*wishes.values.values(), *wishes.unread)) or "nothing in particular"
    if score_a == score_b:
        reason = f"Both follow what is asked for ({asked}) to the same degree."
    else:
        better, worse = ("A", "B") if score_a > score_b else ("B", "A")
        reason = f"Response {better} does more of what is asked for ({asked}) than response {worse}."
    return Verdict(score_a, score_b, reason)


def on_criterion(system_info: str, user_info: str, query: str, response: str) -> dict[str, object]:
    """As answers.RubricScore: how far the response follows the meta-prompt, which this judge finds in any criterion."""
    share = follows(response, system_info, user_info, query, "") if answers(response) else 0.0
    return {"reason": f"It follows {share:.0%} of what is asked for.", "score": 1 + round(4 * share)}


def answers(response: str) -> bool:
    """Whether the response is an answer at all: not empty, and no mere refusal."""
    found = len(words(response))
    return found > 0 and (found >= _MIN_WORDS_BEYOND or not _DECLINED.match(response))


def favouring(first: bool) -> Verdict:
    """The verdict of a judge who looks at something else: response a wins if `first`, else b."""
    high, low = _CLEAR_WIN
    text = "Response {} makes the better impression on the whole."
    return Verdict(high, low, text.format("A")) if first else Verdict(low, high, text.format("B"))


def _tossed(query: str, response_a: str, response_b: str) -> Verdict:
    """A win by one point for the response with the higher hash: a fair coin over many pairs, whatever their order."""
    first, second = (
        hashlib.blake2b(f"{query}\x1e{text}".encode("utf-8", "surrogatepass")).digest()
        for text in (response_a, response_b)
    )
    reason = "Nothing that is asked for tells the two apart."
    return Verdict(BEST, BEST - 1, reason) if first >= second else Verdict(BEST - 1, BEST, reason)


def _score(share: float) -> int:
    return WORST + round((BEST - WORST) * share)
