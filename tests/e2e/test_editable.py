"""An editable install uses the checkout itself: its code, its prompts and its recipes."""

from pathlib import Path

import pytest

from environments import CHECKOUT, Environment

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def developer(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("developer"))
    environment.borrow()
    environment.install("--no-deps", "--editable", CHECKOUT)
    return environment


def test_code_prompts_and_recipes_are_those_of_the_checkout(developer: Environment, tmp_path: Path) -> None:
    code = "from metaalign_data.resources import bundled as b; print(b('prompts'), b('recipes'), sep='\\n')"
    done = developer.python(code, cwd=tmp_path).check()
    assert done.out.splitlines() == [str(CHECKOUT / "prompts"), str(CHECKOUT / "recipes")]


def test_the_command_runs_from_any_folder(developer: Environment, tmp_path: Path) -> None:
    developer.metaalign_data("run", "quickstart", "--limit", "4", cwd=tmp_path).check()
    assert (tmp_path / "runs" / "quickstart" / "dataset" / "README.md").is_file()
