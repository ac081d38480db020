from pathlib import Path
from typing import Any

import polars as pl
import pytest

from metaalign_data.api import run
from metaalign_data.commands.train import _judge
from metaalign_data.recipe import Recipe
from metaalign_data.verdicts import Contest, verdicts


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Pairs of the quickstart."""
    result = run("quickstart", out=tmp_path_factory.mktemp("runs") / "quickstart", limit=6)
    return pl.read_parquet(result.dataset / "pairs/*.parquet").to_dicts()


def answers(row: dict[str, Any]) -> tuple[str, str]:
    return row["chosen"][0]["content"], row["rejected"][0]["content"]


def test_the_judges_of_a_recipe_find_what_the_pairs_of_its_dataset_say(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    recipe = Recipe.load("quickstart")
    contests = [Contest.of_row(row, *answers(row)) for row in rows]
    turned = [Contest.of_row(row, *reversed(answers(row))) for row in rows]
    found = verdicts(recipe, [*contests, *turned], tmp_path / "ledger.sqlite")
    assert found == ["a"] * len(rows) + ["b"] * len(rows)


def test_equal_answers_are_a_tie(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    told = rows[0]["chosen"][0]["content"]
    assert verdicts(Recipe.load("quickstart"), [Contest.of_row(rows[0], told, told)], tmp_path / "l.sqlite") == ["tie"]


def test_a_row_of_strangers_has_its_whole_meta_prompt_in_the_system_message(rows: list[dict[str, Any]]) -> None:
    bare = Contest.of_row({"prompt": rows[0]["prompt"]}, "a", "b")
    assert bare.system_info == rows[0]["prompt"][0]["content"]
    assert (bare.user_info, bare.query) == ("", rows[0]["prompt"][-1]["content"])
    assert len(bare.history) == len(rows[0]["prompt"]) - 2


def test_a_trainer_gets_the_verdicts_in_its_own_words(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    judge = _judge("quickstart", tmp_path, simulate=True)
    assert judge(rows[:2], [answers(row)[1] for row in rows[:2]]) == ["chosen", "chosen"]
    turned = [row | {"chosen": row["rejected"]} for row in rows[:2]]
    assert judge(turned, [answers(row)[0] for row in rows[:2]]) == ["sampled", "sampled"]
