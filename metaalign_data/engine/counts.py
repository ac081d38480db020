"""What became of the rows, by stage. The law, once a run has ended: taken = passed + rejected + failed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from metaalign_data.stages.asking import USELESS

ENOUGH = 50
"""Rows of a stage before its share of failures means anything."""


@dataclass
class StageCounts:
    """Rows of one stage.

    taken     rows that came in and have ended
    passed    of these, rows that gave at least one record
    rejected  of these, rows that gave only rejects
    failed    of these, rows that ended in an error
    made      records that came out (one row may give several)
    spoiled   rows that ended so for want of a usable answer: failed, or rejected for nothing but that
    reasons   "rejected: tie" or "failed: timeout" -> how often; a passed row may have rejects beside its records
    """

    taken: int = 0
    passed: int = 0
    rejected: int = 0
    failed: int = 0
    made: int = 0
    spoiled: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def result(self, made: int, reject_reasons: Sequence[str]) -> None:
        """One row has given `made` records and these rejects, one of them at least."""
        self.taken += 1
        self.made += made
        if made:
            self.passed += 1
        else:
            self.rejected += 1
            self.spoiled += USELESS.issuperset(reject_reasons)
        self.reasons.update(f"rejected: {reason}" for reason in reject_reasons)

    def failure(self, reason: str) -> None:
        """One row has ended in an error."""
        self.taken += 1
        self.failed += 1
        self.spoiled += 1
        self.reasons[f"failed: {reason}"] += 1

    def pass_table(self, rows: int) -> None:
        """A table stage has let this many rows pass."""
        self.taken += rows
        self.passed += rows
        self.made += rows

    @property
    def closes(self) -> bool:
        return self.taken == self.passed + self.rejected + self.failed

    def as_dict(self) -> dict[str, Any]:
        return {
            "in": self.taken,
            "passed": self.passed,
            "rejected": self.rejected,
            "failed": self.failed,
            "out": self.made,
            "reasons": dict(sorted(self.reasons.items())),
        }


Counts = dict[str, StageCounts]


def counts_from(manifest: Mapping[str, Mapping[str, Any]]) -> Counts:
    """The counts that `as_dict` wrote; `spoiled` is not among them."""
    names = {"taken": "in", "passed": "passed", "rejected": "rejected", "failed": "failed", "made": "out"}
    return {
        stage: StageCounts(**{name: c[key] for name, key in names.items()}, reasons=Counter(c["reasons"]))
        for stage, c in manifest.items()
    }


def unbalanced(counts: Counts) -> list[str]:
    """Where the numbers do not add up, as sentences; empty when every row is accounted for."""
    problems = [
        f"{name}: {c.taken} in, {c.passed} + {c.rejected} + {c.failed} ended"
        for name, c in counts.items()
        if not c.closes
    ]
    stages = list(counts.items())
    for (before, earlier), (after, later) in pairwise(stages):
        if earlier.made != later.taken:
            problems.append(f"{before} gave {earlier.made} rows but {after} took {later.taken}")
    return problems


def too_many(counts: Counts, max_rate: float) -> str:
    """Which stage spoils more than this share of its rows, and why, the most frequent reason first; "" for none.

    The first ENOUGH rows of a stage decide nothing.
    """
    for name, c in counts.items():
        if c.taken >= ENOUGH and c.spoiled > max_rate * c.taken:
            reasons = ", ".join(f"{reason} {n}" for reason, n in c.reasons.most_common(3))
            return f"{c.spoiled} of the first {c.taken} rows of {name} came to nothing ({reasons})"
    return ""
