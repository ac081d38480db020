"""A run directory after all sorts of accidents: what is wrong is found, and what is fine is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from metaalign_data import run
from metaalign_data.engine.doctor import Finding, examine
from metaalign_data.engine.folder import RunFolder
from metaalign_data.errors import UserError

RECIPE = {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled", "limit": 5}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from metaalign_data import Recipe

    root = tmp_path_factory.mktemp("doctor") / "run"
    assert run(Recipe.from_dict(RECIPE), out=root).state == "done"
    return root


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def bad(folder: RunFolder) -> dict[str, str]:
    """What is wrong, by what it is about; each with something to do."""
    found: list[Finding] = [each for each in examine(folder, folder.ledger) if not each.fine]
    assert all(each.fix for each in found)
    return {each.about: each.what for each in found}


def test_a_finished_run_is_whole_and_nothing_is_changed_by_looking(folder: RunFolder) -> None:
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}
    assert bad(folder) == {}
    assert {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()} == before


def _killed(folder: RunFolder) -> None:
    manifest = json.loads(folder.manifest.read_text())
    folder.manifest.write_text(json.dumps(manifest | {"state": "running"}))


def _flip(folder: RunFolder) -> None:
    data = folder.ledger.read_bytes()
    at = data.rindex(b'"text"')
    folder.ledger.write_bytes(data[: at + 12] + bytes([data[at + 12] ^ 1]) + data[at + 13 :])


def _swap_dataset(folder: RunFolder) -> None:
    folder.dataset.rename(folder.root / ".dataset.old")


def _change(folder: RunFolder) -> None:
    with next(folder.dataset.glob("pairs/*.parquet")).open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("accident", "about", "said"),
    [
        (_killed, "manifest", "was killed"),
        (lambda f: f.manifest.unlink(), "manifest", "manifest.json is missing"),
        (lambda f: f.manifest.write_text("{"), "manifest", "cannot be read"),
        (lambda f: f.ledger.unlink(), "ledger", "there is no ledger"),
        (lambda f: f.ledger.write_bytes(b"x" * 9000), "ledger", "not a database"),
        (_flip, "ledger", "1 answers are not as they were written"),
        (lambda f: shutil.rmtree(f.tables / "judge"), "rows", "counted for tables/judge, which holds 0"),
        (lambda f: f.parts("judge")[0].write_bytes(b"PAR1"), "rows", "cannot be read"),
        (_change, "dataset", "was changed"),
        (lambda f: next(f.dataset.glob("sft/*")).unlink(), "dataset", "is missing"),
        (lambda f: (f.dataset / "own.parquet").touch(), "dataset", "own.parquet is not of this run"),
        (_swap_dataset, "leftovers", "the dataset is in .dataset.old"),
        (lambda f: (f.root / ".dataset.tmp").mkdir(), "leftovers", "unfinished files: .dataset.tmp"),
        (lambda f: (f.tables / ".dedup.parquet").touch(), "leftovers", "unfinished files: tables/.dedup.parquet"),
    ],
)
def test_each_accident_is_found(
    folder: RunFolder, accident: Callable[[RunFolder], object], about: str, said: str
) -> None:
    accident(folder)
    assert said in bad(folder)[about]


def test_a_run_that_is_at_work_is_not_taken_for_a_dead_one(folder: RunFolder) -> None:
    _killed(folder)
    with folder.held():
        found = examine(folder, folder.ledger)
    assert all(each.fine for each in found)
    assert "a run is at work here" in [each.what for each in found]


def test_a_dataset_that_was_on_its_way_comes_back_with_the_next_run(folder: RunFolder) -> None:
    _swap_dataset(folder)
    with folder.opened():
        assert (folder.dataset / "README.md").exists()


def test_where_there_is_no_run_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such directory"):
        examine(RunFolder(tmp_path / "nowhere"), tmp_path / "nowhere/ledger.sqlite")
