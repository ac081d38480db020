"""Contrasts over one dimension or several; what is drawn again comes again in the same words."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_data.prompting import Library
from metaalign_data.stages.sampling.wishes import Contrast, draw_contrast, fits, implied_forms
from metaalign_data.taxonomy import Cell, Taxonomy

TAXONOMY = Library().taxonomy("default")
cells = st.sampled_from(TAXONOMY.cells)
seeds = st.integers(0, 10_000)


def drawn(cell: Cell, seed: int, *, composed: float = 1.0, variants: int | None = None) -> Contrast:
    return draw_contrast(TAXONOMY, cell, composed=composed, variants=variants, seed=0, rng=Random(f"{seed} {cell}"))


@given(cells, seeds)
def test_a_contrast_starts_with_its_cell_and_sets_each_value_against_another_of_its_dimension(
    cell: Cell, seed: int
) -> None:
    contrast = drawn(cell, seed)
    assert contrast.aims[0].dimension == cell.dimension
    assert contrast.aims[0].value.name == cell.value
    assert len({aim.dimension for aim in contrast.aims}) == len(contrast.aims)
    for aim in contrast.aims:
        values = {value.name for value in TAXONOMY.dimension[aim.dimension].values}
        assert {aim.value.name, aim.contrast.name} <= values
        assert aim.value != aim.contrast


@given(cells, seeds)
def test_a_composed_wish_has_two_or_three_dimensions_that_do_not_contradict_on_either_side(
    cell: Cell, seed: int
) -> None:
    contrast = drawn(cell, seed)
    assert 2 <= len(contrast.aims) <= 3
    assert fits(TAXONOMY, contrast.aims)
    assert fits(TAXONOMY, contrast.reversed.aims)


def test_the_share_of_composed_wishes_is_kept() -> None:
    lengths = [len(drawn(cell, seed, composed=0.3).aims) > 1 for cell in TAXONOMY.cells for seed in range(20)]
    assert 0.25 < sum(lengths) / len(lengths) < 0.35


@given(cells, seeds, st.sampled_from(["statement", "background", "writing", "dialogue"]))
def test_reversing_exchanges_values_and_contrasts_and_nothing_else(cell: Cell, seed: int, form: str) -> None:
    contrast = drawn(cell, seed)
    wish, other = (c.wish("user", form, TAXONOMY.styles) for c in (contrast, contrast.reversed))  # type: ignore[arg-type]
    assert (wish.meaning, wish.contrast) == (other.contrast, other.meaning)
    assert wish.dimension == other.dimension
    assert contrast.reversed.reversed == contrast
    assert contrast.both_rng.random() == contrast.reversed.both_rng.random()


def test_with_few_variants_the_same_wishes_come_again_word_for_word() -> None:
    cell = TAXONOMY.cells[0]

    def wishes(variants: int | None) -> set[object]:
        found = (drawn(cell, seed, composed=0.2, variants=variants) for seed in range(200))
        return {contrast.wish("user", "statement", TAXONOMY.styles) for contrast in found}

    assert len(wishes(5)) <= 5 * len(TAXONOMY.dimension[cell.dimension].values)
    assert len(wishes(None)) == 200


def test_a_contrast_comes_again_from_its_other_side() -> None:
    """Both directions of a flip are drawn now and then: with variants, these are the same two preferences."""
    first, second = (Cell("length", value) for value in ("brief", "thorough"))
    from_first = {drawn(first, seed, variants=3) for seed in range(60)}
    from_second = {drawn(second, seed, variants=3).reversed for seed in range(60)}
    assert len(from_first) == 3
    assert from_first == from_second


def test_a_person_is_named_in_the_style_of_what_the_user_says_and_not_of_the_provider() -> None:
    contrast = drawn(TAXONOMY.cells[0], 0)
    assert contrast.wish("user", "statement", ("plain",), "a baker").style == "plain, by a baker"
    assert contrast.wish("provider", "statement", ("plain",), "a baker").style == "plain"


@pytest.mark.parametrize(
    ("implied_by", "expected"),
    [
        ([("background", "dialogue"), ("background", "writing")], ["background"]),
        ([("writing", "dialogue"), ("dialogue", "writing")], ["writing", "dialogue"]),
        ([("writing",), ("dialogue",)], ["background"]),
    ],
)
def test_forms_are_those_in_which_all_of_it_can_be_implied(
    implied_by: list[tuple[str, ...]], expected: list[str]
) -> None:
    first, second = TAXONOMY.dimensions[:2]
    dimensions = [d.model_dump() | {"implied_by": forms} for d, forms in zip((first, second), implied_by, strict=True)]
    own = Taxonomy.model_validate(
        {"id": "own", "styles": ["plain"], "dimensions": [d | {"kinds": ()} for d in dimensions]}
    )
    aims = [
        *drawn(Cell(first.name, first.values[0].name), 0, composed=0).aims,
        *drawn(Cell(second.name, second.values[0].name), 0, composed=0).aims,
    ]
    assert implied_forms(own, aims) == expected
