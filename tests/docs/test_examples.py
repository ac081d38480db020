"""Everything that the READMEs in examples/ tell people to type, typed."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from commands import metaalign_data
from environments import CHECKOUT

EXAMPLES = CHECKOUT / "examples"
FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))


def blocks(readme: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An example in a folder of its own, without what earlier runs left in it."""
    left_behind = shutil.ignore_patterns("runs", "__pycache__")
    return Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param, ignore=left_behind))


def test_every_example_has_a_readme() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == set(FOLDERS)


@pytest.mark.parametrize("copy", FOLDERS, indirect=True)
def test_the_commands_of_an_example_run_in_its_folder(copy: Path) -> None:
    lines = [line for block in blocks(copy / "README.md", "sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        program, *args = shlex.split(line, comments=True)
        assert program == "metaalign-data"
        metaalign_data(*args, cwd=copy).check()


@pytest.mark.parametrize("copy", FOLDERS, indirect=True)
def test_the_python_of_an_example_runs_in_its_folder(copy: Path) -> None:
    for code in blocks(copy / "README.md", "python"):
        subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, timeout=120)


@pytest.mark.parametrize("copy", ["custom_stage"], indirect=True)
def test_the_custom_stage_rejects_only_what_is_too_short(copy: Path) -> None:
    metaalign_data("run", "recipe.yaml", "--trust-recipe", "--out", "run", cwd=copy).check()
    counts = json.loads((copy / "run" / "manifest.json").read_text(encoding="utf-8"))["counts"]["drop_short"]
    assert 0 < counts["rejected"] < counts["in"]
    chosen = pl.read_parquet(copy / "run" / "dataset" / "pairs" / "*.parquet")["chosen"].to_list()
    assert min(len(messages[0]["content"]) for messages in chosen) >= 200


@pytest.mark.parametrize("copy", ["custom_stage"], indirect=True)
def test_a_recipe_runs_no_code_that_nobody_trusted(copy: Path) -> None:
    done = metaalign_data("run", "recipe.yaml", cwd=copy)
    assert done.code == 2
    assert "--trust-recipe" in done.err
    assert not (copy / "runs").exists()
