"""A dataset that grows: more queries of the same source, and the rows of before on their sides."""

import json
from pathlib import Path

import polars as pl
import pytest

from commands import metaalign_data


def splits(run: Path) -> dict[str, str]:
    files = sorted((run / "dataset/pairs").glob("*.parquet"))
    return {row: file.name.split("-")[0] for file in files for row in pl.read_parquet(file)["id"]}


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run over 25 queries."""
    folder = tmp_path_factory.mktemp("growing")
    metaalign_data("run", "quickstart", "--limit", "25", "--out", "runs/few", cwd=folder).check()
    return folder


def test_no_row_goes_from_train_to_a_test_set_and_what_goes_the_other_way_is_said(cwd: Path) -> None:
    args = ("--limit", "40", "--out", "runs/more", "--set", "stages.split.earlier=runs/few")
    metaalign_data("run", "quickstart", *args, "--set", "stages.split.test=0.5", cwd=cwd).check()
    few, more = splits(cwd / "runs/few"), splits(cwd / "runs/more")
    assert len(more) > len(few)
    moved = [row for row in few.keys() & more.keys() if (few[row] == "train") != (more[row] == "train")]
    assert {more[row] for row in moved} <= {"train"}
    notices = json.loads((cwd / "runs/more/manifest.json").read_text())["notices"]
    told = [notice for notice in notices if notice.startswith("split:")]
    assert [notice.startswith(f"split: {len(moved)} rows") for notice in told] == [True] * bool(moved)


def test_an_earlier_run_without_a_dataset_is_told_before_anything_is_asked(cwd: Path) -> None:
    done = metaalign_data("validate", "quickstart", "--set", "stages.split.earlier=runs/none", cwd=cwd)
    assert done.code == 2
    assert "runs/none: there is no dataset" in done.err
