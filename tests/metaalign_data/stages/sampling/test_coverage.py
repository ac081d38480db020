"""Everything comes up evenly: cells of the taxonomy for each kind and subset, cells of the matrix by their weights."""

from collections import Counter
from itertools import cycle, islice, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.prompting import Library
from metaalign_data.records import Subset
from metaalign_data.stages.sampling.coverage import CoverageSampler, cells_for, matrix_cell_at
from metaalign_data.taxonomy import GENERAL, Cell

TAXONOMY, MATRIX = Library().taxonomy("default"), Library().priorities("default")
KINDS = [GENERAL, *(kind.name for kind in TAXONOMY.query_kinds)]
DRAWN: tuple[Subset, ...] = ("priority", "helpful")


def planned(n: int, seed: int = 0) -> list[tuple[str, Subset]]:
    """Kind of query and subset of `n` scenarios, some kinds more often than others."""
    rng = Random(seed)
    return [(rng.choices(KINDS, range(1, len(KINDS) + 1))[0], rng.choice(DRAWN)) for _ in range(n)]


def cells(plan: list[tuple[str, Subset]], seed: int = 0) -> list[Cell]:
    sampler = CoverageSampler(TAXONOMY, seed)
    return [sampler.draw(kind, subset) for kind, subset in plan]


@given(n=st.integers(1, 300), seed=st.integers(0, 100))
def test_for_no_kind_and_subset_a_cell_comes_up_more_than_once_more_often_than_another(n: int, seed: int) -> None:
    plan = planned(n, seed)
    found = Counter(zip(plan, cells(plan, seed), strict=True))
    for kind, subset in product(KINDS, DRAWN):
        counts = [found.pop(((kind, subset), cell), 0) for cell in cells_for(TAXONOMY, kind)]
        assert max(counts) - min(counts) <= 1
    assert not found  # nothing was drawn that does not suit its kind


def test_what_is_drawn_hangs_on_what_was_drawn_before_and_not_on_what_comes_after() -> None:
    plan = planned(200)
    assert cells(plan)[:50] == cells(plan[:50])


def test_another_seed_draws_in_another_order() -> None:
    assert cells(planned(50), seed=0) != cells(planned(50), seed=1)


@pytest.mark.parametrize("subset", DRAWN)
def test_a_subset_has_every_value_after_as_many_scenarios_as_there_are_values(subset: Subset) -> None:
    n = len(TAXONOMY.cells)
    assert set(cells([(kind, subset) for kind in islice(cycle(KINDS), n)])) == set(TAXONOMY.cells)


def test_a_subset_has_every_dimension_after_hardly_more_scenarios_than_there_are_dimensions() -> None:
    """Each brings two of its values: the one that is wanted and the one that it is set against."""
    n = len(TAXONOMY.dimensions) + 5
    found = cells([(kind, "helpful") for kind in islice(cycle(KINDS), n)])
    assert {cell.dimension for cell in found} == set(TAXONOMY.dimension)


@pytest.mark.parametrize("n", [120, 240])
def test_pairs_of_value_subset_and_kind_are_covered_by_fewer_scenarios_than_by_drawing_at_random(n: int) -> None:
    """The figure that a coverage sampler is for: distinct pairs at the same number of scenarios."""
    plan, rng = planned(n), Random(0)
    sampled, uniform = cells(plan), [rng.choice(cells_for(TAXONOMY, kind)) for kind, _ in plan]
    for of in (0, 1):  # with the kind, with the subset
        covered, at_random = (
            len({(cell, given[of]) for cell, given in zip(found, plan, strict=True)}) for found in (sampled, uniform)
        )
        assert covered > 1.1 * at_random
    assert len({*zip(sampled, plan, strict=True)}) == n


@pytest.mark.parametrize("risk", ["harmless", "harmful"])
@pytest.mark.parametrize("seed", range(3))
def test_each_cell_of_the_matrix_comes_up_by_its_weight(risk: str, seed: int) -> None:
    n = 400
    drawn = Counter(matrix_cell_at(MATRIX, seed, "health", risk, k) for k in range(n))  # type: ignore[arg-type]
    of_risk = MATRIX.of_risk(risk)  # type: ignore[arg-type]
    total = sum(cell.weight for cell in of_risk)
    assert set(drawn) == set(of_risk)
    for cell in of_risk:
        assert abs(drawn[cell] - n * cell.weight / total) <= 4


def test_a_matrix_without_cells_of_this_risk_gives_none() -> None:
    tame = MATRIX.model_copy(update={"cells": MATRIX.of_risk("harmless")})
    assert matrix_cell_at(tame, 0, "health", "harmful", 0) is None
