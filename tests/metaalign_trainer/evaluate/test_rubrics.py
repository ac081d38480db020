from typing import Any

import pytest

from metaalign_trainer.errors import DataError
from metaalign_trainer.evaluate.rubrics import Task, mean_scores, tasks
from metaalign_trainer.evaluate.shapes import Mapped

HOW = Mapped(shape="rubrics", query="prompt", contexts=("system",), rubrics="rubrics", reference="reference_answer")
ROW: dict[str, Any] = {
    "system": "You are terse.",
    "prompt": "Which pet?",
    "reference_answer": "A cat.",
    "rubrics": [
        {"criteria": "Is it terse?", "score_descriptions": {"5": "Yes.", "1": "No."}},
        {"criteria": "Is it a pet?", "score_descriptions": None},
        "Is it kind?",
    ],
}


def test_rubrics_are_texts_or_criteria_with_what_each_score_means() -> None:
    assert tasks([ROW], HOW, "file") == [
        Task(
            id="0",
            query="Which pet?",
            context="You are terse.",
            rubrics=("Is it terse?\n1: No.\n5: Yes.", "Is it a pet?", "Is it kind?"),
            reference="A cat.",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rubrics": []}, "row 0: a rubric is needed"),
        ({"rubrics": None}, "row 0: a rubric is needed"),
        ({"rubrics": [3]}, "row 0: 3 is no rubric"),
        ({"system": ["a", "b"]}, "row 0: 2 contexts"),
    ],
)
def test_a_row_without_usable_rubrics_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        tasks([ROW | changes], HOW, "file")


def test_a_task_counts_once_however_many_rubrics_it_has_and_missing_scores_are_no_zeros() -> None:
    made = tasks([ROW, ROW, ROW], HOW, "file")
    scores = {("0", 0): 5.0, ("0", 1): 3.0, ("0", 2): None, ("1", 0): None}
    assert mean_scores(made, scores) == {"0": 4.0}
