from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaalign_trainer.evaluate.figures import by_group, difference, figures, share, unseen_combinations


def row(name: str, **columns: Any) -> dict[str, Any]:
    told = {
        "split": "test",
        "subset": "helpful",
        "preference_kind": "explicit",
        "dimension": "length",
        "value": "short",
    }
    return {"id": name, "query_id": name[0], "flip_id": None, "twin_id": None, "matrix_cell": None, **told, **columns}


FLIPS = [row(f"{i}{half}", flip_id=f"f{i}") for i in range(4) for half in "ab"]


def test_a_flip_is_right_only_when_both_of_its_rows_are() -> None:
    leads = {"0a": 1.0, "0b": 2.0, "1a": 3.0, "1b": -1.0, "2a": -1.0, "2b": 1.0, "3a": 1.0, "3b": 0.0}
    found = figures(FLIPS, leads)
    assert found is not None
    assert found.flips is not None
    assert (found.flips.value, found.flips.n) == (0.25, 4)
    assert (found.pairs.value, found.pairs.n) == (5.5 / 8, 8)
    assert found.ties == 1 / 8
    assert found.twins is None


def test_a_model_that_does_not_read_the_meta_prompt_gets_no_flip_right() -> None:
    leads = {name["id"]: 1.0 if name["id"].endswith("a") else -1.0 for name in FLIPS}
    found = figures(FLIPS, leads)
    assert found is not None
    assert found.flips is not None
    assert (found.pairs.value, found.flips.value) == (0.5, 0.0)


def test_a_row_whose_other_half_is_not_there_is_no_flip() -> None:
    assert figures(FLIPS[:1], {"0a": 1.0}).flips is None  # type: ignore[union-attr]


def test_rows_without_a_lead_are_left_out_and_none_gives_nothing() -> None:
    found = figures(FLIPS, {"0a": 1.0, "0b": 1.0})
    assert found is not None
    assert found.pairs.n == 2
    assert figures(FLIPS, {}) is None


def test_groups_are_by_split_subset_kind_dimension_cell_and_conflicts() -> None:
    rows = [
        row("a1", subset="priority", matrix_cell="harmless/user_first/conflicts"),
        row("b1", subset="priority", matrix_cell="harmless/none/alone", preference_kind="implicit"),
        row("c1", split="test_unseen_preferences"),
    ]
    found = by_group(rows, {"a1": 1.0, "b1": -1.0, "c1": 1.0})
    assert found["conflicts"]["conflicts"]["pairs"]["value"] == 1.0
    assert {value: told["pairs"]["n"] for value, told in found["subset"].items()} == {"helpful": 1, "priority": 2}
    assert found["split"]["test_unseen_preferences"]["pairs"]["n"] == 1
    assert set(found["matrix_cell"]) == {"harmless/none/alone", "harmless/user_first/conflicts"}
    assert found["all"]["all"]["pairs"]["value"] == pytest.approx(2 / 3)


def test_a_cluster_counts_as_one_case_for_the_interval() -> None:
    rng = np.random.default_rng(0)
    of_cluster = rng.integers(0, 2, 40).astype(float)
    together, alone = np.repeat(of_cluster, 10), rng.permutation(np.repeat(of_cluster, 10))
    wide = share(together, [i // 10 for i in range(400)], 0)
    narrow = share(alone, list(range(400)), 0)
    assert wide.value == narrow.value
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 5))
def test_an_interval_holds_its_share_and_stays_within_bounds(right: list[bool], size: int) -> None:
    found = share(np.array(right, dtype=float), [i // size for i in range(len(right))], 0)
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1


def test_differences_are_over_the_rows_that_both_have() -> None:
    rows = [row(f"{i}x") for i in range(6)]
    ours, theirs = {f"{i}x": 1.0 for i in range(5)}, {f"{i}x": 1.0 if i == 1 else -1.0 for i in range(1, 6)}
    found = difference(rows, ours, theirs)
    assert found is not None
    assert (found.value, found.n) == (0.75, 4)
    assert found.low < found.value <= found.high
    assert difference(rows, ours, {}) is None


def test_a_combination_is_unseen_when_no_training_row_has_it() -> None:
    rows = [
        row("a", dimension="length + tone", value="short + warm"),
        row("b", dimension="length + tone", value="long + warm"),
        row("c"),
    ]
    train = [{"dimension": "length + tone", "value": "short + warm"}]
    assert [each["id"] for each in unseen_combinations(rows, train)] == ["b"]
