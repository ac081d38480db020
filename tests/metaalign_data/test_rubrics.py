"""Rubrics: criteria told apart, each on a line, and a mean by their weights."""

from typing import Any

import pytest
from pydantic import ValidationError

from metaalign_data.answers import rubric_verdict
from metaalign_data.errors import UserError
from metaalign_data.prompting import Library
from metaalign_data.rubrics import Rubric


def rubric(*criteria: dict[str, Any]) -> Rubric:
    return Rubric.model_validate({"id": "own", "criteria": criteria})


TWO = rubric({"name": "following", "asks": "Does it follow?", "weight": 3}, {"name": "tone", "asks": "Is it kind?"})


def test_the_mean_is_by_weight() -> None:
    assert TWO.mean({"following": 10, "tone": 2}) == 8
    with pytest.raises(KeyError):
        TWO.mean({"following": 10})


def test_the_judge_reads_a_criterion_a_line() -> None:
    assert TWO.text == "- following: Does it follow?\n- tone: Is it kind?"


def test_in_the_bundled_rubric_following_outweighs_the_rest() -> None:
    weights = {criterion.name: criterion.weight for criterion in Library().rubric("default").criteria}
    assert weights.pop("following") > sum(weights.values())


@pytest.mark.parametrize(
    "criteria",
    [
        [],
        [{"name": "x", "asks": "a"}, {"name": "x", "asks": "b"}],
        [{"name": "Tone of voice", "asks": "a"}],
        [{"name": "x", "asks": "a\n- y: b"}],
        [{"name": "x", "asks": "  "}],
        [{"name": "x", "asks": "a", "weight": 0}],
        [{"name": "x", "asks": "a", "wieght": 2}],
        [{"name": f"x{i}", "asks": "a"} for i in range(9)],
    ],
)
def test_a_rubric_that_makes_no_sense_is_refused(criteria: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        rubric(*criteria)


def test_an_unknown_rubric_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'default'"):
        Library().rubric("defalt")


def scores(*names: str) -> dict[str, Any]:
    return {"criteria": [{"name": n, "reason": "r", "score_a": 5, "score_b": 4} for n in names], "winner": "a"}


def test_a_verdict_scores_each_criterion_once_in_any_order_and_spelling() -> None:
    verdict = rubric_verdict(TWO.names).model_validate(scores("Tone", " following "))
    assert [each.name for each in verdict.criteria] == ["tone", "following"]


@pytest.mark.parametrize(
    "names", [["following"], ["following", "following"], ["following", "tone", "tone"], ["x", "tone"]]
)
def test_a_verdict_on_other_criteria_is_refused(names: list[str]) -> None:
    with pytest.raises(ValidationError):
        rubric_verdict(TWO.names).model_validate(scores(*names))


def test_a_server_that_decodes_by_schema_is_told_the_names() -> None:
    assert '"enum": ["following", "tone"]' in str(rubric_verdict(TWO.names).model_json_schema()).replace("'", '"')
    assert rubric_verdict(TWO.names) is rubric_verdict(TWO.names)
