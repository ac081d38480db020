"""The bundled taxonomy is wide, and what goes together is known."""

import pytest

from metaalign_data.prompting import Library
from metaalign_data.taxonomy import GENERAL, Cell, Dimension, QueryKind, Taxonomy, Value

DEFAULT = Library().taxonomy("default")


def dimension(name: str, *values: str, **fields: object) -> Dimension:
    told = tuple(Value(name=value, meaning=f"Be {value}.") for value in values)
    return Dimension.model_validate({"name": name, "area": "x", "values": told} | fields)


SMALL = Taxonomy(
    id="small",
    styles=("plain",),
    query_kinds=(QueryKind(name="food", words=("bread", "soup")), QueryKind(name="code", words=("python", "bug"))),
    dimensions=(
        dimension("length", "brief", "long"),
        dimension("depth", "shallow", "deep"),
        dimension("units", "metric", "imperial", kinds=("food",)),
    ),
    contradictions=(("length.brief", "depth.deep"),),
)


def test_the_bundled_taxonomy_has_at_least_forty_dimensions_each_with_an_area() -> None:
    assert len(DEFAULT.dimensions) >= 40
    assert len({dimension.area for dimension in DEFAULT.dimensions}) >= 12
    assert DEFAULT.contradictions
    assert any(dimension.kinds for dimension in DEFAULT.dimensions)
    assert any("writing" in dimension.implied_by for dimension in DEFAULT.dimensions)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("How do I bake bread?", "food"),
        ("My Python script has a bug, and the soup is cold", "code"),
        ("soup or python?", "food"),
        ("Breadcrumbs and pythons", GENERAL),
        ("", GENERAL),
    ],
)
def test_a_query_is_of_the_kind_that_most_of_its_words_point_to(query: str, kind: str) -> None:
    assert SMALL.kind_of(query) == kind


def test_dimensions_are_drawn_for_the_kinds_of_query_that_they_suit() -> None:
    assert [d.name for d in SMALL.suitable("code")] == ["length", "depth"]
    assert [d.name for d in SMALL.suitable("food")] == ["length", "depth", "units"]
    assert [d.name for d in SMALL.suitable(GENERAL)] == ["length", "depth", "units"]


@pytest.mark.parametrize(
    ("cells", "together"),
    [
        ([("length", "brief"), ("depth", "shallow")], True),
        ([("length", "brief"), ("depth", "deep")], False),
        ([("depth", "deep"), ("units", "metric"), ("length", "brief")], False),
        ([("length", "brief"), ("length", "long")], False),
        ([("length", "brief"), ("length", "brief")], True),
        ([], True),
    ],
)
def test_cells_go_together_unless_they_contradict(cells: list[tuple[str, str]], together: bool) -> None:
    assert SMALL.fit_together([Cell(*cell) for cell in cells]) is together
