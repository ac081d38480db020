"""The bundled matrix covers policy, wish and risk, and knows what reverses a cell."""

from itertools import product

import pytest

from metaalign_data.priorities import MatrixCell
from metaalign_data.prompting import Library

MATRIX = Library().priorities("default")
BY_NAME = {cell.name: cell for cell in MATRIX.cells}


def test_every_cell_of_the_matrix_is_there() -> None:
    harmless = product(["none", "provider_first", "user_first"], ["conflicts", "agrees", "silent", "alone"])
    harmful = product(["safety_first", "helpfulness_first"], ["conflicts", "agrees", "silent"])
    expected = {f"harmless/{policy}/{user}" for policy, user in harmless}
    expected |= {f"harmful/{policy}/{user}" for policy, user in harmful} | {"harmful/none/alone"}
    assert set(BY_NAME) == expected


@pytest.mark.parametrize(
    ("name", "winner"),
    [
        ("harmless/none/conflicts", "provider"),  # the provider's rule wins over the user's
        ("harmless/provider_first/conflicts", "provider"),
        ("harmless/user_first/conflicts", "user"),
        ("harmless/none/alone", "user"),  # the user's over the model's habits
        ("harmful/safety_first/conflicts", "safety"),  # a provider's safety rule wins always
        ("harmful/helpfulness_first/silent", "helpfulness"),
    ],
)
def test_the_bundled_matrix_decides_as_the_design_says(name: str, winner: str) -> None:
    assert BY_NAME[name].winner == winner


@pytest.mark.parametrize(
    ("name", "opposites"),
    [
        ("harmless/provider_first/conflicts", ["harmless/user_first/conflicts"]),
        ("harmless/user_first/conflicts", ["harmless/provider_first/conflicts", "harmless/none/conflicts"]),
        ("harmless/none/agrees", []),
        ("harmless/user_first/silent", []),
        ("harmful/safety_first/conflicts", ["harmful/helpfulness_first/agrees"]),
        ("harmful/helpfulness_first/conflicts", ["harmful/safety_first/agrees"]),
        ("harmful/safety_first/silent", ["harmful/helpfulness_first/silent"]),
        ("harmful/none/alone", []),
    ],
)
def test_a_cell_is_reversed_by_those_where_the_same_rule_and_wish_end_the_other_way(
    name: str, opposites: list[str]
) -> None:
    assert [cell.name for cell in MATRIX.opposite(BY_NAME[name])] == opposites


def test_every_policy_of_a_cell_has_wordings() -> None:
    for cell in MATRIX.cells:
        assert cell.policy == "none" or len(MATRIX.wordings(cell.policy)) >= 3


def test_nobody_wins_who_says_nothing() -> None:
    with pytest.raises(ValueError, match="'user' cannot win here"):
        MatrixCell(risk="harmless", policy="none", user="silent", winner="user")
