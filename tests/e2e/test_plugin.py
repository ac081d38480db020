"""A stage from somebody else's package: installed, found by its entry point, used by its name."""

import json
from pathlib import Path

import pytest
import yaml

from environments import CHECKOUT, Environment

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def with_plugin(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("with_plugin"))
    environment.borrow()
    environment.install("--no-deps", CHECKOUT, CHECKOUT / "tests" / "example_plugin")
    return environment


def test_an_installed_stage_is_listed(with_plugin: Environment, tmp_path: Path) -> None:
    assert "balance_length" in with_plugin.metaalign_data("stages", cwd=tmp_path).check().out


def test_an_installed_stage_runs_by_its_name_and_needs_no_trust(with_plugin: Environment, tmp_path: Path) -> None:
    recipe = yaml.safe_load((CHECKOUT / "recipes" / "quickstart.yaml").read_text(encoding="utf-8"))
    after_pair = 1 + next(i for i, stage in enumerate(recipe["stages"]) if "pair" in stage)
    recipe["stages"].insert(after_pair, {"balance_length": {"max_ratio": 1.2}})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    with_plugin.metaalign_data("run", "recipe.yaml", "--out", "out", cwd=tmp_path).check()
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["counts"]["balance_length"]
    assert counts["rejected"] > 0
    assert counts["out"] > 0
    assert counts["reasons"] == {"rejected: too_long": counts["rejected"]}
