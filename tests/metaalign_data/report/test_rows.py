from pathlib import Path

import polars as pl
import pytest

from metaalign_data.chat import Message
from metaalign_data.errors import UserError
from metaalign_data.report.rows import read_run
from rows import flip, pair
from runs import RECIPE, frame, made_run

ASKED = Message(role="user", content="How?")


def test_the_rows_of_all_splits_are_read_with_their_split(tmp_path: Path) -> None:
    rows = [pair(query="one", split="train"), pair(query="two", split="test_unseen_preferences"), pair(query="three")]
    run = read_run(made_run(tmp_path, rows))
    found = dict(run.pairs.select("query", "split").iter_rows())
    assert found == {"one": "train", "two": "test_unseen_preferences", "three": "train"}


def test_the_fingerprint_tells_other_rows_and_minds_no_order(tmp_path: Path) -> None:
    rows = [pair(query="one"), pair(query="two")]
    prints = [
        read_run(made_run(tmp_path / str(i), given)).fingerprint
        for i, given in enumerate((rows, rows[::-1], rows[:1], [*rows, pair(query="three")]))
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@pytest.mark.parametrize(
    ("rows", "whole"),
    [
        (flip("A", "B", "f"), True),
        (flip("A", "B", "f")[:1], False),
        ([pair(chosen="A", rejected="B", flip_id="f", user_info="x"), *flip("A", "B", "f")], False),
        (
            [pair(chosen="A", rejected="B", flip_id="f"), pair(chosen="A", rejected="B", user_info="x", flip_id="f")],
            False,
        ),
        ([pair(chosen="A", rejected="B", flip_id="f"), pair(chosen="B", rejected="C", flip_id="f")], False),
        ([pair(chosen="A", rejected="B"), pair(chosen="B", rejected="A")], False),
    ],
    ids=["whole", "lone", "three", "not exchanged", "other text", "no flip_id"],
)
def test_a_flip_is_two_rows_with_the_same_responses_exchanged(rows: list, whole: bool) -> None:
    assert frame(rows)["in_flip"].to_list() == [whole] * len(rows)


def test_rows_of_one_query_flip_or_twin_are_one_group_and_what_these_connect() -> None:
    rows = [
        pair(query="a", flip_id="f"),
        pair(query="b", flip_id="f", twin_id="t"),
        pair(query="c", twin_id="t"),
        pair(query="c", user_info="other"),
        pair(query="d"),
        pair(query="e"),
    ]
    groups = frame(rows)["group"].to_list()
    assert groups[0] == groups[1] == groups[2] == groups[3]
    assert len(set(groups)) == 3


@pytest.mark.parametrize(
    ("fields", "without"),
    [
        ({"prompt": [ASKED], "user_info": ""}, True),
        ({"user_info": "I like it short."}, False),
        ({"user_info": "", "system_info": "Be brief."}, False),
        ({"prompt": [ASKED, Message(role="assistant", content="So."), ASKED], "user_info": ""}, False),
    ],
    ids=["nothing", "user info", "system info", "history"],
)
def test_earlier_turns_are_a_meta_prompt_too(fields: dict, without: bool) -> None:
    assert frame([pair(**fields)])["without_meta"].to_list() == [without]


def test_the_recipe_is_read_without_running_the_code_that_its_stages_name(tmp_path: Path) -> None:
    recipe = RECIPE + "stages: [{use: 'somebody:Stage'}]\npreferences: {taxonomy: mine}\n"
    assert read_run(made_run(tmp_path, [pair()], recipe)).recipe().preferences.taxonomy == "mine"


@pytest.mark.parametrize(("recipe", "told"), [("[1", "cannot be read"), ("- 1", "is not a recipe")])
def test_a_broken_recipe_is_told_in_a_sentence(tmp_path: Path, recipe: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_run(made_run(tmp_path, [pair()], recipe)).recipe()


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run here"):
        read_run(tmp_path)
    made_run(tmp_path, [pair()])
    (tmp_path / "dataset/pairs/train-00000-of-00001.parquet").unlink()
    with pytest.raises(UserError, match="made no dataset"):
        read_run(tmp_path)


def test_a_dataset_of_another_version_is_refused_by_the_column_that_it_lacks(tmp_path: Path) -> None:
    file = made_run(tmp_path, [pair()]) / "dataset/pairs/train-00000-of-00001.parquet"
    pl.read_parquet(file).drop("twin_id").write_parquet(file)
    with pytest.raises(UserError, match="twin_id"):
        read_run(tmp_path)
