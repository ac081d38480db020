"""The pass over the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from metaalign_data.neighbours.cover import BLOCK

RuleName = Literal["exact", "lexical", "semantic"]


@dataclass(frozen=True, slots=True)
class Found:
    """The kept row that a row duplicates, how alike they are (the least over the columns), and by which rule."""

    of: int
    similarity: float
    rule: RuleName


class Rule(Protocol):
    """One way of being near. Rows are numbered in the order of the pass."""

    def prepare(self, rows: Sequence[int]) -> None:
        """The next rows to be asked about, at most BLOCK of them, in order."""
        ...

    def find(self, row: int) -> Found | None:
        """A kept row that is near to this one of the rows last prepared."""
        ...

    def keep(self, row: int) -> None:
        """From now on this one of the rows last prepared is kept."""
        ...


class CheapRule(Rule, Protocol):
    def repeats(self, rows: Sequence[int]) -> set[int]:
        """Those of the rows last prepared that are near an earlier one of `rows`, kept or not."""
        ...


def cover(n: int, cheap: Sequence[CheapRule], costly: Rule | None = None) -> list[Found | None]:
    """For each of `n` rows in order: None if it is kept, else the kept row that it duplicates.

    Of several rules that find one, the first in order is named, the costly one last. It is not asked about rows that a
    cheap rule finds near a kept one; nor made ready for those that most likely will be, once their turn comes.
    """
    verdicts: list[Found | None] = [None] * n
    for start in range(0, n, BLOCK):
        rows: list[int] = list(range(start, min(start + BLOCK, n)))
        for rule in cheap:
            rule.prepare(rows)
            for row in rows:
                verdicts[row] = rule.find(row)
            rows = [row for row in rows if verdicts[row] is None]
        _decide(rows, cheap, costly, verdicts)
    return verdicts


def _decide(rows: Sequence[int], cheap: Sequence[CheapRule], costly: Rule | None, verdicts: list[Found | None]) -> None:
    """Rows that are near no row that was kept before their block, one after the other."""
    waiting = {row for rule in cheap for row in rule.repeats(rows)} if costly else set()
    if costly:
        costly.prepare([row for row in rows if row not in waiting])
    for place, row in enumerate(rows):
        found = next((found for rule in cheap if (found := rule.find(row))), None)
        if found is None and costly:
            if row in waiting:  # the row that it repeats was dropped
                costly.prepare(rows[place:])
                waiting = set()
            found = costly.find(row)
        verdicts[row] = found
        if found is None:
            for rule in (*cheap, *([costly] if costly else [])):
                rule.keep(row)
