"""How often judges and people say the same, how sure one can be of that, and which settings make it often enough."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from metaalign_data.records import Comparison
from metaalign_data.report.judging import figures, votes_of
from metaalign_data.report.shares import wilson

Figures = dict[str, Any]

_MARGIN_BINS = (0.0, 1.0, 2.0, 4.0, 6.0)
_MARGINS = tuple(n / 2 for n in range(19))


@dataclass(frozen=True)
class Outcome:
    """What people and judges say of one pair. `chars` are the lengths of responses a and b."""

    label: Literal["a", "b"]
    comparison: Comparison
    chars: tuple[int, int]

    @property
    def named(self) -> Literal["a", "b"] | None:
        """The response that more votes name than the other, None where neither is."""
        a, b = (sum(vote.winner == name for vote in self.comparison.votes) for name in ("a", "b"))
        return None if a == b else "a" if a > b else "b"

    @property
    def right(self) -> bool:
        return self.named == self.label

    @property
    def agreement(self) -> float:
        """Share of the votes for the response that is named."""
        votes = self.comparison.votes
        return sum(vote.winner == self.named for vote in votes) / len(votes)

    @property
    def margin(self) -> float:
        """Lead of the response that is named in mean score, -9 to 9."""
        return self.comparison.margin if self.named == "a" else -self.comparison.margin

    def passes(self, min_agreement: float, min_margin: float) -> bool:
        """Whether the stages `judge` and `pair` would keep it."""
        enough = self.named is not None and self.agreement > 0.5 and self.agreement >= min_agreement
        return enough and self.margin >= min_margin


def calibration(outcomes: Sequence[Outcome], *, min_agreement: float, min_margin: float, target: float) -> Figures:
    """All figures of a calibration.

    rows           pairs that were judged
    at_settings    accuracy at the given min_agreement and min_margin, over the `kept` rows; `yield` is their share
    single_votes   accuracy of the votes taken one by one, over those that name a winner
    by_agreement   accuracy by the share of votes for the response that is named
    by_margin      accuracy by its lead in mean score, in bins from `above` up to the next
    suggested      the settings that keep most rows and reach `target`; None where none does
    length_bias    share of the votes that name the longer response, less the share of the labels that do
    judging        report.judging.figures of the votes

    An accuracy comes as `rows`, `right`, `accuracy` (None of no rows), `low` and `high`, the ends of its 95 % interval.
    """
    named = [outcome for outcome in outcomes if outcome.named]
    votes = [vote.winner == o.label for o in outcomes for vote in o.comparison.votes if vote.winner != "tie"]
    return {
        "rows": len(outcomes),
        "at_settings": _at(outcomes, min_agreement, min_margin),
        "single_votes": _accuracy(votes),
        "by_agreement": [
            {"agreement": level, **_accuracy(o.right for o in named if o.agreement == level)}
            for level in sorted({o.agreement for o in named}, reverse=True)
        ],
        "by_margin": _by_margin(named),
        "target": target,
        "suggested": suggested(outcomes, target),
        "length_bias": _length_bias(outcomes),
        "judging": figures(votes_of((str(i), o.comparison, o.chars) for i, o in enumerate(outcomes))),
    }


def suggested(outcomes: Sequence[Outcome], target: float) -> Figures | None:
    """The least strict settings whose accuracy on these rows is at least `target` (0 to 1), with what they give.

    Of all agreements that occur and all margins in steps of 0.5, the ones that keep most rows; of equals the lower
    ones. None where no settings reach the target.
    """
    levels = sorted({_settable(o.agreement) for o in outcomes if o.named and o.agreement > 0.5})
    found = [_at(outcomes, level, margin) for level in levels for margin in _MARGINS]
    reaching = [each for each in found if each["rows"] and each["accuracy"] >= target]
    return max(reaching, key=lambda each: each["rows"], default=None)


def _settable(agreement: float) -> float:
    """Rounded down to what a recipe would write: 0.666 for two of three."""
    return math.floor(agreement * 1000) / 1000


def _at(outcomes: Sequence[Outcome], min_agreement: float, min_margin: float) -> Figures:
    kept = [outcome for outcome in outcomes if outcome.passes(min_agreement, min_margin)]
    return {
        "min_agreement": min_agreement,
        "min_margin": min_margin,
        "yield": len(kept) / len(outcomes) if outcomes else None,
        **_accuracy(outcome.right for outcome in kept),
    }


def _accuracy(right: Iterable[bool]) -> Figures:
    found = list(right)
    low, high = wilson(sum(found), len(found))
    share = sum(found) / len(found) if found else None
    return {"rows": len(found), "right": sum(found), "accuracy": share, "low": low, "high": high}


def _by_margin(named: Sequence[Outcome]) -> list[Figures]:
    def binned(above: float, to: float) -> Callable[[Outcome], bool]:
        return lambda outcome: above <= outcome.margin < to

    ends = (*_MARGIN_BINS[1:], math.inf)
    rows = [
        {"above": above, **_accuracy(o.right for o in filter(binned(above, to), named))}
        for above, to in zip(_MARGIN_BINS, ends, strict=True)
    ]
    below = {"above": None, **_accuracy(o.right for o in named if o.margin < 0)}
    return [each for each in (below, *rows) if each["rows"]]


def _length_bias(outcomes: Sequence[Outcome]) -> float | None:
    differing = [o for o in outcomes if o.chars[0] != o.chars[1]]
    by_label = [(o.label == "a") == (o.chars[0] > o.chars[1]) for o in differing]
    by_vote = [
        (vote.winner == "a") == (o.chars[0] > o.chars[1])
        for o in differing
        for vote in o.comparison.votes
        if vote.winner != "tie"
    ]
    return sum(by_vote) / len(by_vote) - sum(by_label) / len(by_label) if by_vote else None
