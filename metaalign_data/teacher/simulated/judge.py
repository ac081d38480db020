"""Verdicts of the simulated judge: what follows the meta-prompt further wins."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from metaalign_data.teacher.simulated.read import wanted
from metaalign_data.teacher.simulated.truth import follows

BEST, WORST = 10, 1
_CRITERION = re.compile(r"^- ([a-z][a-z0-9_]*): ", re.MULTILINE)
_CLEAR_WIN = (8, 4)  # scores of a verdict that something other than the meta-prompt decided


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


def judge(system_info: str, user_info: str, query: str, response_a: str, response_b: str) -> Verdict:
    """The verdict of a judge without faults: the same for equal responses, mirrored for swapped ones."""
    score_a, score_b = (_score(follows(text, system_info, user_info, query)) for text in (response_a, response_b))
    wishes = wanted(system_info, user_info, query)
    asked = ", ".join((*wishes.values.values(), *wishes.unread)) or "nothing in particular"
    if score_a == score_b:
        reason = f"Both follow what is asked for ({asked}) to the same degree."
    else:
        better, worse = ("A", "B") if score_a > score_b else ("B", "A")
        reason = f"Response {better} does more of what is asked for ({asked}) than response {worse}."
    return Verdict(score_a, score_b, reason)


def tossed(response_a: str, response_b: str) -> Verdict:
    """The verdict of a judge who has to choose where nothing decides: by chance, the same text in either order."""
    low, high = sorted((response_a, response_b))
    drawn = hashlib.blake2b(f"{low}\x1f{high}".encode("utf-8", "surrogatepass")).digest()[0]
    return favouring(first=response_a == (high if drawn % 2 else low))


def favouring(first: bool) -> Verdict:
    """The verdict of a judge who looks at something else: response a wins if `first`, else b."""
    high, low = _CLEAR_WIN
    text = "Response {} makes the better impression on the whole."
    return Verdict(high, low, text.format("A")) if first else Verdict(low, high, text.format("B"))


def _score(share: float) -> int:
    return WORST + round((BEST - WORST) * share)
