"""Drawing so that everything is covered evenly: values of the taxonomy, and cells of the priority matrix."""

from collections import Counter
from random import Random

from metaalign_data.priorities import MatrixCell, PriorityMatrix, Risk
from metaalign_data.records import Subset, digest
from metaalign_data.taxonomy import Cell, Taxonomy

_GOLDEN = 0.6180339887498949


class CoverageSampler:
    """Gives each scenario that is planned, one after another, the cell of the taxonomy that is wanted most.

    That is a cell that suits the kind of query and came up the fewest times for this kind in this subset; of these, the
    fewest times in the subset, then for the kind; its dimension counts beside it, since a scenario sets a value against
    another one of its dimension. So pairs of value and subset, and of value and kind, are covered long before all three
    together can be, and yet for no kind and subset was a cell taken more than once more often than another.
    """

    def __init__(self, taxonomy: Taxonomy, seed: int) -> None:
        self.taxonomy = taxonomy
        self._rng = Random(digest("coverage", str(seed)))
        self._taken: Counter[tuple[str, ...]] = Counter()
        self._keys: dict[tuple[str, Subset], dict[Cell, list[tuple[str, ...]]]] = {}

    def draw(self, kind: str, subset: Subset) -> Cell:
        """The cell for the next scenario of this subset, of a query of this kind; of equals any, by the seed."""
        if (kind, subset) not in self._keys:
            self._keys[kind, subset] = {cell: _counted(cell, kind, subset) for cell in cells_for(self.taxonomy, kind)}
        keys, taken = self._keys[kind, subset], self._taken
        lots = {cell: self._rng.random() for cell in keys}
        fewest = min(taken[of[0]] for of in keys.values())  # most cells are out already by the first count
        left = [cell for cell, of in keys.items() if taken[of[0]] == fewest]
        cell = min(left, key=lambda cell: (*(taken[key] for key in keys[cell]), lots[cell]))
        taken.update(keys[cell])
        return cell


def _counted(cell: Cell, kind: str, subset: Subset) -> list[tuple[str, ...]]:
    """What a draw of this cell counts for, the first first."""
    whole, dimension = (*cell, ""), (cell.dimension, "", "")
    return [(*cell, kind, subset), (*whole, subset), (*dimension, subset), (*whole, kind), (*dimension, kind)]


def cells_for(taxonomy: Taxonomy, kind: str) -> list[Cell]:
    """All that suit queries of this kind."""
    return [Cell(d.name, value.name) for d in taxonomy.suitable(kind) for value in d.values]


def matrix_cell_at(matrix: PriorityMatrix, seed: int, kind: str, risk: Risk, ordinal: int) -> MatrixCell | None:
    """The cell of the priority matrix for this scenario, each by its weight; None where it has none of this risk.

    The golden ratio's multiples fill the unit interval evenly however many there are (a Kronecker sequence).
    """
    cells = matrix.of_risk(risk)
    if not cells:
        return None
    start = Random(digest("matrix", str(seed), kind, risk)).random()
    at = (start + ordinal * _GOLDEN) % 1.0 * sum(cell.weight for cell in cells)
    for cell in cells:
        at -= cell.weight
        if at < 0:
            return cell
    return cells[-1]
