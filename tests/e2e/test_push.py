"""From a recipe to the Hub and back, with the commands as their users type them."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import metaalign_data, start
from environments import Done
from loopback_hub.server import LoopbackHub
from metaalign_data.hub.versions import diff, read_version
from pushing import NAME, contents

READ_BACK = """
import json, sys
from pathlib import Path
import polars as pl
from datasets import load_dataset

dataset, name = Path(sys.argv[1]), sys.argv[2]
for config in json.loads(sys.argv[3]):
    there = load_dataset(name, config)
    here = {split: pl.read_parquet(str(dataset / config / f"{split}-*.parquet")) for split in there}
    assert len(here) == len({file.name.split("-")[0] for file in (dataset / config).iterdir()}), config
    for split, rows in here.items():
        assert there[split].to_list() == rows.to_dicts(), (config, split)
print("equal")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name, limit in (("small", "6"), ("larger", "9")):
        metaalign_data("run", "quickstart", "--limit", limit, "--out", name, cwd=home).check()
    return home


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as served:
        yield served


@pytest.fixture
def environment(hub: LoopbackHub, tmp_path: Path) -> dict[str, str]:
    """What leads the real client to the loopback Hub; it reads this once, when it is imported."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "hf_writer",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


def test_a_dataset_is_looked_at_pushed_changed_and_loaded_back_row_for_row(
    run: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    def push(folder: str, *options: str) -> Done:
        return metaalign_data("push", folder, NAME, *options, cwd=run, env=environment)

    refused = push("small")
    assert refused.code == 2
    assert "--allow-simulated" in refused.err
    looked = push("small", "--dry-run", "--allow-simulated")
    assert looked.code == 0
    assert "would be made" in looked.out
    assert "SIMULATED" in looked.out
    assert hub.asked("^(POST|PUT) ") == []

    first = json.loads(push("small", "--allow-simulated", "--json").out)
    assert (first["sent"], first["version"]) == (True, "v1")
    again = json.loads(push("small", "--allow-simulated", "--json").out)
    assert (again["sent"], again["commit"]) == (False, first["commit"])
    second = push("larger", "--allow-simulated")
    assert second.code == 0
    assert "in one commit, checked" in second.out
    assert second.err == ""

    code = [sys.executable, "-c", READ_BACK, run / "larger/dataset", NAME, json.dumps(["pairs", "sft", "preferences"])]
    back = subprocess.run(code, env=os.environ | environment, capture_output=True, text=True, timeout=120)
    assert back.stdout == "equal\n", back.stderr
    assert "Ignoring" not in back.stderr, "`datasets` believes what the card says of configs and columns"

    compared = metaalign_data("diff", f"{NAME}@v1", NAME, "--json", cwd=run, env=environment)
    local = diff(read_version(str(run / "small")), read_version(str(run / "larger")))
    assert json.loads(compared.out)["rows"] == local["rows"]
    assert local["rows"]["all"]["added"] > 0


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_push_that_is_killed_while_it_uploads_is_finished_by_the_next(
    run: Path, hub: LoopbackHub, environment: dict[str, str]
) -> None:
    uploading, killed = threading.Event(), threading.Event()

    def pause() -> None:
        uploading.set()
        killed.wait(60)

    hub.fail("PUT /_lfs", "call", call=pause, skip=2)
    pushing = start("push", "small", NAME, "--allow-simulated", cwd=run, env=environment)
    assert uploading.wait(60), pushing.communicate()
    os.killpg(pushing.pid, signal.SIGKILL)
    pushing.communicate()
    killed.set()
    assert set(contents(hub)) == {".gitattributes"}

    assert metaalign_data("push", "small", NAME, "--allow-simulated", cwd=run, env=environment).code == 0
    assert len(contents(hub)) > 5


def test_a_wrong_token_is_told_in_one_line(run: Path, environment: dict[str, str]) -> None:
    wrong = environment | {"HF_TOKEN": "hf_wrong"}
    done = metaalign_data("push", "small", NAME, "--allow-simulated", cwd=run, env=wrong)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"error: {NAME}: the Hub does not accept the token")


def test_a_run_that_has_made_no_dataset_is_told_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    stopped = metaalign_data("run", "quickstart", "--set", "budget.calls=50", "--out", "stopped", cwd=tmp_path)
    assert stopped.code == 3
    done = metaalign_data("push", "stopped", NAME, "--allow-simulated", cwd=tmp_path, env=environment)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "the run has made no dataset (budget_reached" in done.err


def test_a_card_without_pictures_is_told_where_matplotlib_is_missing(
    run: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hide/sitecustomize.py").parent.mkdir()
    (tmp_path / "hide/sitecustomize.py").write_text("import sys; sys.modules['matplotlib'] = None\n")
    hidden = environment | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "hide"), environment["PYTHONPATH"]])}
    pushed = json.loads(metaalign_data("push", "small", NAME, "--allow-simulated", "--json", cwd=run, env=hidden).out)
    assert "the card has no pictures: matplotlib is not installed" in " ".join(pushed["notices"])
