"""inspect, doctor, schema, status and a changed recipe, as people type them."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
import yaml

from commands import metaalign_data
from metaalign_data.resources import bundled

RUN = "runs/quickstart"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cwd = tmp_path_factory.mktemp("after")
    metaalign_data("run", "quickstart", "--limit", "6", cwd=cwd).check()
    return cwd


def first_id(cwd: Path) -> str:
    return str(pl.read_parquet(cwd / RUN / "dataset/pairs/*.parquet")["id"][0])


def test_inspect_shows_a_row_with_prompts_answers_votes_and_cost(finished: Path) -> None:
    row_id = first_id(finished)
    shown = metaalign_data("inspect", RUN, row_id[:10], cwd=finished).check().out
    for part in ("sample_preferences of ", "judge_pairwise@", "winner", "answers went into it, cost $0.000000"):
        assert part in shown
    found = json.loads(metaalign_data("inspect", RUN, row_id, "--json", cwd=finished).check().out)
    assert found["row_id"] == row_id
    assert {"stage", "row_id", "made", "asked"} == found["steps"][0].keys()
    wrong = metaalign_data("inspect", RUN, "zzz", cwd=finished)
    assert (wrong.code, "no row has an id" in wrong.err) == (2, True)


def test_doctor_has_nothing_to_say_of_a_finished_run(finished: Path) -> None:
    assert json.loads(metaalign_data("doctor", RUN, "--json", cwd=finished).check().out)["fine"]


def test_status_says_that_every_row_is_accounted_for(finished: Path) -> None:
    assert "every row is accounted for" in metaalign_data("status", RUN, cwd=finished).check().out


def test_one_request_at_a_time_gives_the_same_dataset(finished: Path) -> None:
    metaalign_data("run", "quickstart", "--limit", "6", "--serial", "--out", "serial", cwd=finished).check()
    pairs = [pl.read_parquet(finished / run / "dataset/pairs/*.parquet") for run in (RUN, "serial")]
    assert pairs[0].equals(pairs[1])


def test_a_changed_recipe_is_told_before_anything_is_asked(finished: Path) -> None:
    done = metaalign_data("run", "quickstart", "--limit", "6", "--set", "seed=9", "--out", RUN, cwd=finished).check()
    assert "this has changed since the directory was last used:\n  seed: 4 -> 9" in done.err
    assert "seed: " in done.err
    assert re.search(r"judge: about \d+% of its calls, some \d+", done.err)


def test_the_schema_knows_every_key_of_the_recipe_that_holds_them_all() -> None:
    schema = json.loads(metaalign_data("schema", cwd=Path.cwd()).check().out)
    recipe = yaml.load((bundled("recipes") / "metaalign.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)

    def unknown(value: object, known: dict, path: str) -> list[str]:
        known = schema["$defs"][known["$ref"].rpartition("/")[2]] if "$ref" in known else known
        if not isinstance(value, dict) or "properties" not in known:
            return []
        found = [f"{path}{key}" for key in value if key not in known["properties"]]
        inner = [key for key in value if key in known["properties"]]
        return found + [hit for key in inner for hit in unknown(value[key], known["properties"][key], f"{path}{key}.")]

    assert unknown(recipe, schema, "") == []
    by_name = schema["properties"]["stages"]["items"]["anyOf"][1]["properties"]
    for entry in recipe["stages"]:
        if isinstance(entry, dict):
            (name,) = entry
            assert unknown(entry[name], by_name[name], f"{name}.") == []
    assert unknown({"colour": 1}, schema, "") == ["colour"]
