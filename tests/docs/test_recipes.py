"""Every recipe that is shipped loads, resolves to itself, and is what its comments say."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from commands import metaalign_data
from environments import CHECKOUT
from metaalign_data.api import run
from metaalign_data.queries import check_source
from metaalign_data.recipe import Recipe
from metaalign_data.resources import bundled
from simulated_truth import wrong_way_round

BENCHMARKS = sorted((bundled("recipes") / "benchmarks").glob("*.yaml"))
RECIPES = sorted(
    path for path in bundled("recipes").rglob("*.yaml") if not path.stem.startswith("train-") and path not in BENCHMARKS
)


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAALIGN_BASE_URL", "http://127.0.0.1:8000/v1")


def test_there_is_a_recipe_for_each_purpose() -> None:
    names = {path.stem for path in RECIPES}
    assert names >= {"quickstart", "metaalign", "own-server", "priority", "helpful", "consensus", "diverse_opinion"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_under_its_file_name_and_what_it_dumps_is_the_same_recipe(path: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(path)
    assert recipe.name == path.stem
    assert Recipe.load(path.stem).dump() == recipe.dump()
    (tmp_path / "recipe.yaml").write_text(recipe.dump(), encoding="utf-8")
    assert Recipe.load(tmp_path / "recipe.yaml").dump() == recipe.dump()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_without_a_key_reads_the_bundled_queries(path: Path) -> None:
    recipe = Recipe.load(path)
    if recipe.teacher.provider == "simulated":
        assert recipe.judge.provider == "simulated"
        check_source(recipe.queries, recipe.folder)


@pytest.mark.parametrize("name", ["priority", "helpful", "consensus", "diverse_opinion"])
def test_the_recipe_of_a_subset_makes_that_subset_only(name: str) -> None:
    assert Recipe.load(name).subsets == {name: 1.0}


def test_the_quickstart_is_short_and_makes_all_subsets() -> None:
    assert len((bundled("recipes") / "quickstart.yaml").read_text(encoding="utf-8").splitlines()) < 15
    assert len(Recipe.load("quickstart").subsets) == 4


def test_the_full_recipe_writes_out_the_defaults_but_for_what_makes_its_scale() -> None:
    full = Recipe.load("metaalign")
    bare = {"name": "metaalign", "teacher": {"model": "gpt-4o-mini", "price": {"input": 0.15, "output": 0.6}}}
    bare |= {"judge": {}, "budget": {"usd": 25}, "queries": {"source": "bundled"}}
    bare |= {"preferences": {"per_query": 12, "variants": 27}, "dataset": {"target": 38900}}
    assert Recipe.from_dict(bare).dump() == full.dump()
    text = (bundled("recipes") / "metaalign.yaml").read_text(encoding="utf-8")
    top = yaml.safe_load(full.dump())
    settings = [key for spec in full.stage_specs for key in spec.config]
    assert [key for key in (*top, *top["teacher"], *settings) if f"{key}:" not in text] == []


def test_the_key_of_no_recipe_is_expanded_into_its_dump() -> None:
    dump = Recipe.load("own-server").dump()
    assert "${METAALIGN_BASE_URL}" in dump
    assert "127.0.0.1" not in dump


@pytest.mark.parametrize("name", ["own-preferences", "own-responses", "own-pairs", "safety"])
def test_a_recipe_that_starts_from_something_else_runs_as_it_is_and_its_rows_are_right(
    name: str, tmp_path: Path
) -> None:
    result = run(Recipe.load(name), out=tmp_path / "run", limit=9)
    assert result.state == "done", result.verdict
    assert result.pairs().height >= 6
    assert wrong_way_round(result.pairs()) == []


def test_a_recipe_that_asks_for_flips_only_gets_nothing_else_and_the_manifest_says_so(tmp_path: Path) -> None:
    recipe = Recipe.load("quickstart", overrides=["stages.pair.flips=only"])
    result = run(recipe, out=tmp_path / "run")
    assert result.pairs()["flip_id"].null_count() == 0
    assert result.manifest["figures"]["flip_share"] == 1.0


def test_harmful_queries_are_counted_on_the_card_and_can_be_left_out(tmp_path: Path) -> None:
    for args, harmful in (((), True), (("--no-harmful",), False)):
        done = metaalign_data("run", "safety", "--limit", "6", "--out", "run", *args, cwd=tmp_path)
        assert done.code == 0, done
        rows = pl.read_parquet(tmp_path / "run/dataset/pairs/*.parquet")
        assert rows["harmful"].any() == harmful
        card = (tmp_path / "run/dataset/README.md").read_text(encoding="utf-8")
        assert f"| rows with a harmful query | {rows['harmful'].sum()} |" in card
    assert rows.filter("harmful").is_empty()


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_mapping_of_a_benchmark_is_in_order_and_told(path: Path) -> None:
    from metaalign_trainer.evaluate.shapes import Mapped

    Mapped.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert f"`{path.stem}`" in (CHECKOUT / "docs/evaluate.md").read_text(encoding="utf-8")
