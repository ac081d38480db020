"""Equal texts."""

from collections.abc import Sequence

from metaalign_data.duplicates.greedy import Found
from metaalign_data.embed import normalised
from metaalign_data.records import digest


class Exact:
    """Rows whose texts are equal but for case and white space, in every column.

    `columns` hold the texts of all rows. Rows that share a value of `apart`, None aside, are never compared.
    """

    def __init__(self, columns: Sequence[Sequence[str]], apart: Sequence[str | None]) -> None:
        self._columns, self._apart = columns, apart
        self._keys: dict[int, str] = {}
        self._first: dict[str, int] = {}

    def prepare(self, rows: Sequence[int]) -> None:
        self._keys = {row: digest(*(normalised(column[row]) for column in self._columns), size=16) for row in rows}

    def find(self, row: int) -> Found | None:
        """The first kept row of these texts stands for all of them: others were kept only if held apart from it."""
        of = self._first.get(self._keys[row])
        if of is None or (self._apart[row] is not None and self._apart[row] == self._apart[of]):
            return None
        return Found(of, 1.0, "exact")

    def repeats(self, rows: Sequence[int]) -> set[int]:
        firsts: dict[str, int] = {}
        return {row for row in rows if firsts.setdefault(self._keys[row], row) != row}

    def keep(self, row: int) -> None:
        self._first.setdefault(self._keys[row], row)
