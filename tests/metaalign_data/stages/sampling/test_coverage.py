"""Everything comes up evenly: cells of the taxonomy for each kind and subset, cells of the matrix by their weights."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.prompting import Library
from metaalign_data.stages.sampling.coverage import cell_at, matrix_cell_at
from metaalign_data.taxonomy import GENERAL

TAXONOMY, MATRIX = Library().taxonomy("default"), Library().priorities("default")
KINDS = [GENERAL, *(kind.name for kind in TAXONOMY.query_kinds)]


@given(kind=st.sampled_from(KINDS), n=st.integers(1, 300), seed=st.integers(0, 100))
def test_no_cell_comes_up_more_than_once_more_often_than_another(kind: str, n: int, seed: int) -> None:
    suitable = {(d.name, v.name) for d in TAXONOMY.suitable(kind) for v in d.values}
    drawn = Counter(cell_at(TAXONOMY, seed, kind, "helpful", k) for k in range(n))
    assert set(drawn) <= suitable
    counts = [drawn[cell] for cell in suitable]
    assert max(counts) - min(counts) <= 1


def test_each_lap_and_each_seed_kind_and_subset_has_an_order_of_its_own() -> None:
    size = len(TAXONOMY.cells)
    first, second = ([cell_at(TAXONOMY, 0, GENERAL, "helpful", k + lap * size) for k in range(size)] for lap in (0, 1))
    assert first != second
    assert first != [cell_at(TAXONOMY, 1, GENERAL, "helpful", k) for k in range(size)]
    assert first != [cell_at(TAXONOMY, 0, GENERAL, "priority", k) for k in range(size)]


def test_pairs_of_cell_kind_and_subset_are_covered_by_fewer_scenarios_than_by_drawing_at_random() -> None:
    """The figure that a coverage sampler is for: distinct pairs at the same number of scenarios."""
    per_walk, rng = len(TAXONOMY.cells) // 2, Random(0)
    walked, random = set(), set()
    for kind in KINDS:
        for subset in ("priority", "helpful"):
            suitable = [(d.name, v.name) for d in TAXONOMY.suitable(kind) for v in d.values]
            for k in range(per_walk):
                walked.add((kind, subset, cell_at(TAXONOMY, 0, kind, subset, k)))
                random.add((kind, subset, rng.choice(suitable)))
    assert len(walked) == per_walk * 2 * len(KINDS)
    assert len(random) < 0.9 * len(walked)


@pytest.mark.parametrize("risk", ["harmless", "harmful"])
@pytest.mark.parametrize("seed", range(3))
def test_each_cell_of_the_matrix_comes_up_by_its_weight(risk: str, seed: int) -> None:
    n = 400
    drawn = Counter(matrix_cell_at(MATRIX, seed, "health", risk, k) for k in range(n))  # type: ignore[arg-type]
    cells = [cell for cell in MATRIX.cells if cell.risk == risk]
    total = sum(cell.weight for cell in cells)
    assert set(drawn) == set(cells)
    for cell in cells:
        assert abs(drawn[cell] - n * cell.weight / total) <= 4


def test_a_matrix_without_cells_of_this_risk_gives_none() -> None:
    tame = MATRIX.model_copy(update={"cells": MATRIX.of_risk("harmless")})
    assert matrix_cell_at(tame, 0, "health", "harmful", 0) is None
