"""Drawing so that everything is covered evenly: each value, and each matrix cell, for each kind of query and subset.

The `ordinal`-th scenario of a kind of query and a subset takes the `ordinal`-th item of a walk that is known
beforehand: rows are drawn side by side, in whatever order, and no value comes again while another waits.
"""

from random import Random

from metaalign_data.priorities import MatrixCell, PriorityMatrix, Risk
from metaalign_data.records import Subset, digest
from metaalign_data.taxonomy import Cell, Taxonomy

_GOLDEN = 0.6180339887498949


def cell_at(taxonomy: Taxonomy, seed: int, kind: str, subset: Subset, ordinal: int) -> Cell:
    """The cell of the taxonomy for this scenario.

    A walk goes through all cells that suit the kind of query, in an order of its own each time, so that after n
    scenarios no cell was taken more than once more often than another.
    """
    cells = [Cell(d.name, value.name) for d in taxonomy.suitable(kind) for value in d.values]
    lap, place = divmod(ordinal, len(cells))
    Random(digest("lap", str(seed), kind, subset, str(lap))).shuffle(cells)
    return cells[place]


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
