"""The recipes that train a model run as they are on the quickstart's dataset."""

import json
from pathlib import Path

import pytest

from metaalign_data.api import run
from metaalign_data.cli import main
from metaalign_data.resources import bundled_recipes
from metaalign_trainer.config import Config

STEPS = {"sft": 20, "dpo": 2}
"""So many that the model of the first stage comes to an end when it answers."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quickstart has been run."""
    home = tmp_path_factory.mktemp("home")
    run("quickstart", out=home / "runs/quickstart")
    return home


@pytest.mark.parametrize("name", bundled_recipes(training=True))
def test_a_training_recipe_loads_under_its_file_name(name: str, tmp_path: Path) -> None:
    config = Config.load(bundled_recipes(training=True)[name])
    assert config.name == name
    (tmp_path / "c.yaml").write_text(config.dump(), encoding="utf-8")
    assert Config.load(tmp_path / "c.yaml") == config


def test_there_is_a_training_recipe_for_each_way_to_train() -> None:
    assert set(bundled_recipes(training=True)) >= {"train-sft", "train-dpo", "train-two-stage", "train-static"}


SLOW = pytest.mark.long


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["train-sft", "train-dpo"], id="one after the other"),
        pytest.param(["train-two-stage"], marks=SLOW, id="two stages"),
        pytest.param(["train-static"], marks=SLOW, id="static"),
    ],
)
def test_the_training_recipes_run_after_the_quickstart(
    names: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the number of steps as it is written: no file is missing, and what one makes, the next finds."""
    monkeypatch.chdir(home)
    for name in names:
        config = Config.load(bundled_recipes(training=True)[name])
        fewer = [text for stage in config.stages for text in ("--set", f"{stage}.max_steps={STEPS[stage]}")]
        assert main(["train", name, "--json", *fewer]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert summary["model"] == f"runs/{name}/model"
        assert summary["simulated"]
        assert "SIMULATED DATA" in (home / f"runs/{name}/model/README.md").read_text(encoding="utf-8")
