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
        """The next rows to be asked about, at most BLOCK of them."""
        ...

    def find(self, row: int) -> Found | None:
        """A kept row that is near to this one of the rows last prepared."""
        ...

    def keep(self, row: int) -> None:
        """From now on this one of the rows last prepared is kept."""
        ...


def cover(n: int, rules: Sequence[Rule]) -> list[Found | None]:
    """For each of `n` rows in order: None if it is kept, else the kept row that it duplicates.

    Of several rules that find one, the first in `rules` is named. A row reaches a rule only if no earlier rule finds it
    near a row that was kept before its block of BLOCK rows.
    """
    verdicts: list[Found | None] = [None] * n
    for start in range(0, n, BLOCK):
        rows: list[int] = list(range(start, min(start + BLOCK, n)))
        for rule in rules:
            rule.prepare(rows)
            for row in rows:
                verdicts[row] = rule.find(row)
            rows = [row for row in rows if verdicts[row] is None]
        for row in rows:
            verdicts[row] = next((found for rule in rules if (found := rule.find(row))), None)
            if verdicts[row] is None:
                for rule in rules:
                    rule.keep(row)
    return verdicts
