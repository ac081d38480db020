from collections.abc import Sequence
from typing import Any

import pytest
from datasets import Dataset

from metaalign_trainer.data import Example
from metaalign_trainer.errors import DataError
from metaalign_trainer.rows import fingerprint, halves, is_simulated, with_answers
from training import pairs


def queries(rows: Sequence[Any]) -> set[str]:
    return {row["query"] for row in rows}


def test_all_rows_of_a_query_stay_in_one_stage() -> None:
    rows = Dataset.from_list(pairs(20))
    first, second = halves(rows, 0.25, seed=1)
    assert (len(first), len(second)) == (10, 30)
    assert queries(first).isdisjoint(queries(second))
    assert queries(first) | queries(second) == queries(rows)


def test_another_seed_divides_otherwise_and_the_same_one_alike() -> None:
    rows = Dataset.from_list(pairs(20))
    first = [queries(halves(rows, 0.5, seed=seed)[0]) for seed in (1, 1, 2)]
    assert first[0] == first[1] != first[2]


def test_one_query_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="1 queries are too few"):
        halves(Dataset.from_list(pairs(1)), 0.5, seed=1)


@pytest.mark.parametrize("column", ["chosen_model", "rejected_model", "judge_model"])
def test_one_simulated_hand_makes_rows_simulated(column: str) -> None:
    rows = pairs(2)
    assert not is_simulated(Dataset.from_list(rows))
    rows[-1][column] = "simulated"
    assert is_simulated(Dataset.from_list(rows))


def test_a_fingerprint_changes_with_any_token() -> None:
    rows = [Example("a", (1, 2), ((3, 4),))]
    assert fingerprint(rows) == fingerprint([Example("a", (1, 2), ((3, 4),))])
    assert fingerprint(rows) != fingerprint([Example("a", (1, 2), ((3, 5),))])


def test_rows_without_a_pair_are_left_out_and_the_others_get_its_texts() -> None:
    told = with_answers(Dataset.from_list(pairs(2)), {"row1long": ("yes", "no")})
    [row] = told.to_list()
    assert (row["id"], row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("row1long", "yes", "no")
