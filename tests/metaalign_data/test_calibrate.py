"""calibrate asks as the judge stage asks, and holds the answers against what people said."""

import json
from pathlib import Path
from typing import Any

import pytest

from metaalign_data.calibrate import calibrate
from metaalign_data.cli import main
from metaalign_data.errors import BudgetReached, UserError
from metaalign_data.recipe import Recipe
from metaalign_data.report.gold import columns_of, read_gold

POINTS, PROSE = "- Air.\n- Light.\n- Water is the third point.", "Yes."


def gold_rows(n: int = 8, *, upside_down: bool = False) -> list[dict[str, Any]]:
    """Who asks for bullet points, and gets them from b in every second row."""
    rows = []
    for i in range(n):
        a, b = (PROSE, POINTS) if i % 2 else (POINTS, PROSE)
        label = "ab"[(a == PROSE) != upside_down]
        rows.append({"system_info": "", "user_info": "Use bullet points.", "query": f"Why, {i}?", "a": a, "b": b,
                     "label": label})  # fmt: skip
    return rows


def written(folder: Path, rows: list[dict[str, Any]], *more: str) -> Path:
    path = folder / "gold.jsonl"
    path.write_text("\n".join([*map(json.dumps, rows), *more]))
    return path


def recipe(judge: object = None, **blocks: Any) -> Recipe:
    bare = {"name": "q", "teacher": {"provider": "simulated"}, "queries": {"source": "./nowhere.jsonl"}}
    return Recipe.from_dict(bare | {"judge": judge} | blocks)


async def calibrated(folder: Path, of: Recipe, *, upside_down: bool = False) -> dict[str, Any]:
    gold = read_gold(written(folder, gold_rows(upside_down=upside_down)), columns_of({}))
    return await calibrate(of, gold, folder / "out")


async def test_a_judge_without_faults_says_what_people_say_whichever_comes_first(tmp_path: Path) -> None:
    found = await calibrated(tmp_path, recipe())
    assert (found["rows"], found["at_settings"]["accuracy"], found["at_settings"]["yield"]) == (8, 1.0, 1.0)
    assert found["suggested"]["accuracy"] == 1.0
    assert json.loads((tmp_path / "out" / "calibration.json").read_text()) == found


async def test_a_judge_against_people_is_wrong_everywhere(tmp_path: Path) -> None:
    found = await calibrated(tmp_path, recipe(), upside_down=True)
    assert (found["at_settings"]["accuracy"], found["single_votes"]["right"], found["suggested"]) == (0.0, 0, None)


async def test_the_settings_of_the_recipe_are_used(tmp_path: Path) -> None:
    stages = ["sample_preferences", "generate_responses", {"judge": {"votes": 6, "min_agreement": 0.9}},
              {"pair": {"min_margin": 4}}]  # fmt: skip
    found = await calibrated(tmp_path, recipe(stages=stages))
    assert found["judging"]["votes"] == 8 * 6
    assert (found["at_settings"]["min_agreement"], found["at_settings"]["min_margin"]) == (0.9, 4.0)


async def test_who_names_what_is_shown_first_keeps_nothing_and_shows_it(tmp_path: Path) -> None:
    found = await calibrated(tmp_path, recipe({"faults": {"position_bias": 1.0}}))
    assert found["at_settings"]["rows"] == 0
    assert found["judging"]["all"]["position_bias"] == 0.5


async def test_several_judges_are_all_asked_and_compared(tmp_path: Path) -> None:
    found = await calibrated(tmp_path, recipe([{}, {"seed": 1, "faults": {"judge_error": 1.0}}]))
    assert [each["votes"] for each in found["judging"]["judges"]] == [32, 32]
    assert [each["kappa"] for each in found["judging"]["kappa_judges"]] == [-1.0]


async def test_what_was_asked_is_not_asked_again_and_a_runs_tables_stay(tmp_path: Path) -> None:
    table = tmp_path / "out" / "tables" / "pair" / "part-00000.parquet"
    table.parent.mkdir(parents=True)
    table.touch()
    first, again = await calibrated(tmp_path, recipe()), await calibrated(tmp_path, recipe())
    assert first["cost"]["calls"] == again["cost"]["calls"] == 8 * 4
    assert first == again
    assert table.exists()


async def test_the_budget_is_held_and_raising_it_goes_on(tmp_path: Path) -> None:
    with pytest.raises(BudgetReached):
        await calibrated(tmp_path, recipe(budget={"calls": 10}))
    assert (await calibrated(tmp_path, recipe(budget={"calls": 32})))["rows"] == 8


async def test_a_pair_without_a_verdict_is_counted_apart(tmp_path: Path) -> None:
    found = await calibrated(tmp_path, recipe({"faults": {"refusal": 1.0}}))
    assert (found["rows"], len(found["unjudged"])) == (0, 8)
    assert {(each["reason"], each["where"][:11]) for each in found["unjudged"]} == {("refused", "gold.jsonl:")}


async def test_a_file_without_a_usable_pair_is_refused(tmp_path: Path) -> None:
    gold = read_gold(written(tmp_path, [gold_rows(1)[0] | {"label": "?"}]), columns_of({}))
    with pytest.raises(UserError, match="no usable pair: bad_label"):
        await calibrate(recipe(), gold, tmp_path / "out")


def test_the_command_prints_figures_and_tells_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold = written(tmp_path, gold_rows(), '{"bad', json.dumps(gold_rows(1)[0] | {"label": "both"}))
    common = ["calibrate", "--gold", str(gold), "--simulate", "--out", str(tmp_path / "out")]
    assert main(common) == 0
    told = capsys.readouterr()
    assert "8 pairs judged; this says nothing of a real judge" in told.out
    assert (
        "suggested for 95.0%: min_agreement 1, min_margin 0 (accuracy 100.0%, 67.6% - 100.0%, keeps 100.0%)" in told.out
    )
    assert "gold.jsonl:9: invalid_json" in told.err
    assert "gold.jsonl:10: bad_label: label must be a or b, is 'both'" in told.err
    assert "2 rows do not count: 2 of no use, 0 without a verdict" in told.err
    assert main([*common, "--json", "--limit", "4", "--set", "stages.judge.votes=2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["judging"]["votes"]) == (4, 8)


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ([], 2, "whose judge?; give --recipe, --judge-model or --simulate"),
        (["--simulate", "--column", "query"], 2, "--column: 'query' is not of the form FIELD=COLUMN"),
        (["--simulate", "--set", "budget.calls=3"], 3, "raise the budget and run the same command again to go on"),
        (["--judge-model", "gpt-x"], 2, "OPENAI_API_KEY"),
        (["--recipe", "quikstart"], 2, "did you mean 'quickstart'?"),
    ],
)
def test_what_keeps_the_command_from_working_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    gold = written(tmp_path, gold_rows())
    assert main(["calibrate", "--gold", str(gold), "--out", str(tmp_path / "out"), *options]) == code
    assert told in capsys.readouterr().err
