"""What a stranger gets: the wheel, in an empty environment, in an empty folder."""

import json
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import yaml

from environments import CHECKOUT, Environment, run

pytestmark = pytest.mark.wheel


@dataclass(frozen=True)
class Built:
    """The sdist, the wheel that was built from it, and the wheel that was built from the checkout."""

    sdist: Path
    wheel: Path
    direct: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--outdir", out, CHECKOUT], cwd=out).check()
    run([sys.executable, "-m", "build", "--wheel", "--outdir", out / "direct", CHECKOUT], cwd=out).check()
    return Built(next(out.glob("*.tar.gz")), next(out.glob("*.whl")), next((out / "direct").glob("*.whl")))


@pytest.fixture(scope="module")
def stranger(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("stranger"))
    environment.install(built.wheel)
    return environment


def contents(wheel: Path) -> dict[str, int]:
    """File -> checksum."""
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def test_the_wheel_built_from_the_sdist_is_the_one_built_from_the_checkout(built: Built) -> None:
    assert contents(built.wheel) == contents(built.direct)


def test_the_wheel_holds_the_package_with_its_prompts_and_recipes_and_nothing_else(built: Built) -> None:
    files = contents(built.wheel)
    bundled = {
        f"metaalign_data/_{kind}/{file.relative_to(CHECKOUT / kind).as_posix()}"
        for kind in ("prompts", "recipes")
        for file in (CHECKOUT / kind).rglob("*")
        if file.is_file()
    }
    assert bundled <= files.keys()
    assert "metaalign_data/py.typed" in files
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert {name.split("/")[0].partition("-")[0] for name in files} == {"metaalign_data", "metaalign_trainer"}


def test_the_sdist_holds_what_the_wheel_is_built_from_and_no_tests(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        top = {name.split("/")[1] for name in archive.getnames()}
    package = {"metaalign_data", "trainer", "prompts", "recipes", "pyproject.toml"}
    papers = {"README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO", ".gitignore"}
    assert top == package | papers


def test_the_quickstart_runs_in_an_empty_folder(stranger: Environment, tmp_path: Path) -> None:
    done = stranger.metaalign_data("run", "quickstart", cwd=tmp_path).check()
    folder = tmp_path / "runs" / "quickstart"
    assert str(Path("runs") / "quickstart" / "dataset") in done.out
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["state"] == "done"
    assert (folder / "dataset" / "README.md").is_file()
    assert pl.read_parquet(folder / "dataset" / "pairs" / "train-*.parquet").height > 0


def test_the_core_has_no_torch_and_takes_no_foreign_import_name(stranger: Environment, tmp_path: Path) -> None:
    names = ["torch", "trainer", "prompts", "recipes", "tests"]
    code = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"
    assert stranger.python(code, cwd=tmp_path).check().out.strip() == "[]"


def test_a_missing_extra_answers_with_the_pip_command(stranger: Environment, tmp_path: Path) -> None:
    recipe = yaml.safe_load((CHECKOUT / "recipes" / "quickstart.yaml").read_text(encoding="utf-8"))
    dedup = {"dedup": {"embedder": "sentence-transformers/all-MiniLM-L6-v2"}}
    recipe["stages"] = [dedup if "dedup" in stage else stage for stage in recipe["stages"]]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    done = stranger.metaalign_data("run", "recipe.yaml", cwd=tmp_path)
    assert done.code == 2
    assert "pip install 'metaalign-data[embed]'" in done.err
    assert "Traceback" not in done.err
