"""A run that has to stop early gives what is whole by then, beside the dataset and never in its place."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from commands import dataset_bytes, metaalign_data, start
from counting_server import Count, counting_server


@pytest.fixture(scope="module")
def server() -> Iterator[Count]:
    with counting_server(latency_s=0.02) as count:
        yield count


@pytest.fixture
def recipe(server: Count, tmp_path: Path) -> Path:
    recipe = {
        "name": "cut-short",
        "teacher": {
            "model": "simulated",
            "base_url": server.base_url,
            "max_concurrency": 4,
            "price": {"input": 1, "output": 2},
        },
        "queries": {"source": "bundled", "limit": 24},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    server.asked.clear()
    return path


def pairs(dataset: Path) -> pl.DataFrame:
    return pl.read_parquet(dataset / "pairs/*.parquet").sort("id")


def interrupted(recipe: Path, server: Count, signals: int) -> str:
    """What a run prints that is interrupted once it has made its first pairs."""
    process = start("run", recipe, "--out", "run", cwd=recipe.parent)
    while server.asked.total() < 400:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    return out


def test_the_first_ctrl_c_leaves_a_dataset_of_the_rows_that_are_whole_until_the_run_goes_on(
    server: Count, recipe: Path, tmp_path: Path
) -> None:
    metaalign_data("run", recipe, "--limit", "4", "--out", "run", cwd=tmp_path).check()
    before = dataset_bytes(tmp_path / "run")
    out = interrupted(recipe, server, signals=1)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    partial = pairs(tmp_path / "run/partial")
    assert partial.height == sum(manifest["partial"]["pairs"].values()) > 0
    assert "load_dataset('run/partial', 'pairs')" in out
    assert dataset_bytes(tmp_path / "run") == before, "what was whole before is left alone"
    metaalign_data("run", recipe, "--out", "run", cwd=tmp_path).check()
    assert not (tmp_path / "run/partial").exists()
    whole = pairs(tmp_path / "run/dataset").drop("split", strict=False)
    assert partial.drop("split", strict=False).join(whole, on=["id", "chosen", "rejected"], how="anti").is_empty()


def test_a_second_ctrl_c_waits_for_nothing(server: Count, recipe: Path, tmp_path: Path) -> None:
    out = interrupted(recipe, server, signals=2)
    assert "partial" not in out
    assert not (tmp_path / "run/partial").exists()


def test_a_budget_that_is_reached_leaves_what_was_paid_for(recipe: Path, tmp_path: Path) -> None:
    stopped = metaalign_data("run", recipe, "--out", "run", "--set", "budget.calls=400", "--json", cwd=tmp_path)
    assert stopped.code == 3, stopped.err
    told = json.loads(stopped.out)
    assert told["dataset"] is None
    assert told["cost"]["calls"] <= 400
    assert pairs(tmp_path / "run/partial").height == sum(told["partial"]["pairs"].values()) > 0
    sound = metaalign_data("doctor", "run", cwd=tmp_path).check()
    assert "every row is accounted for" in sound.out
