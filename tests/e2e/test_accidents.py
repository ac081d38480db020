"""What happens to machines: signals, full disks, read-only folders, two runs at once, a ledger that rots."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import COMMAND, metaalign_data, start
from counting_server import Count, counting_server, on_disk

SLOW_STAGE = """
import time, pathlib
class Slow:
    columns = ()
    def transform(self, table, ctx):
        pathlib.Path("started").touch()
        time.sleep(60)
        return table
"""


@pytest.fixture(scope="module")
def slow() -> Iterator[Count]:
    with counting_server(latency_s=1.0) as count:
        yield count


def recipe_for(folder: Path, **blocks: object) -> Path:
    given = {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled", "limit": 3}}
    path = folder / "recipe.yaml"
    path.write_text(json.dumps({**given, **blocks}))
    return path


def served(count: Count) -> dict[str, object]:
    return {"model": "simulated", "base_url": count.base_url}


def state(run: Path) -> str:
    return str(json.loads((run / "manifest.json").read_text())["state"])


def wait_until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not there() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert there(), process.communicate()


def started(slow: Count, recipe: Path) -> subprocess.Popen[str]:
    """A run that waits for the answers of its stages."""
    process = start("run", recipe, "--out", "run", cwd=recipe.parent)
    wait_until((recipe.parent / "run/manifest.json").exists, process)
    slow.asked.clear()
    wait_until(lambda: slow.asked.total() >= 3, process)
    return process


@pytest.mark.parametrize(("grace_s", "signals", "kept"), [(30, 1, True), (0, 1, False), (600, 2, False)])
def test_answers_in_flight_have_the_grace_period_to_come_unless_a_second_ctrl_c_says_no(
    slow: Count, tmp_path: Path, grace_s: float, signals: int, kept: bool
) -> None:
    process = started(slow, recipe_for(tmp_path, teacher=served(slow), run={"grace_s": grace_s}))
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    process.communicate(timeout=60)
    assert (process.returncode, state(tmp_path / "run")) == (130, "interrupted")
    assert (slow.asked.keys() <= on_disk(tmp_path / "run").keys()) == kept


def test_sigterm_ends_a_run_in_the_middle_of_a_table_stage(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(SLOW_STAGE)
    stages = ["sample_preferences", "generate_responses", "judge", "pair", {"use": "own:Slow"}]
    process = start("run", recipe_for(tmp_path, stages=stages), "--out", "run", "--trust-recipe", cwd=tmp_path)
    wait_until((tmp_path / "started").exists, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)  # the stage alone takes a minute
    assert (process.returncode, state(tmp_path / "run")) == (130, "interrupted"), out + err


def test_a_second_run_on_one_directory_refuses_and_the_first_goes_on(slow: Count, tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path, teacher=served(slow))
    first = start("run", recipe, "--out", "run", cwd=tmp_path)
    wait_until((tmp_path / "run/ledger.sqlite").exists, first)
    second = metaalign_data("run", recipe, "--out", "run", cwd=tmp_path)
    assert second.code == 2
    assert "another run is at work in this directory; wait for it" in second.err
    for other in (
        ("retry-failed", "run"),
        ("preview", recipe, "--out", "run"),
        ("estimate", recipe, "--real", "--out", "run"),
    ):
        assert metaalign_data(*other, cwd=tmp_path).code == 2, "two would spend one budget twice"
    assert first.poll() is None
    first.kill()
    first.communicate()


@pytest.mark.parametrize("limit_kb", [64, 400, 900])
def test_a_full_disk_is_told_and_the_run_goes_on_once_there_is_room(tmp_path: Path, limit_kb: int) -> None:
    """No file may grow beyond the limit, which the kernel enforces as a full disk: the write fails."""
    recipe = recipe_for(tmp_path, queries={"source": "bundled", "limit": 12})
    full = subprocess.run(
        [*COMMAND, "run", recipe, "--out", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_kb * 1024, limit_kb * 1024)),
    )
    assert full.returncode in (1, 2), full.stdout + full.stderr
    assert "Traceback" not in full.stderr
    assert "cannot be written" in full.stdout + full.stderr
    metaalign_data("run", recipe, "--out", "run", cwd=tmp_path).check()
    metaalign_data("doctor", "run", cwd=tmp_path).check()


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a folder takes root on Linux")
def test_a_disk_that_fills_up_and_a_folder_that_is_read_only_are_told(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        recipe = recipe_for(tmp_path, queries={"source": "bundled", "limit": 12})
        full = metaalign_data("run", recipe, "--out", disk / "run", cwd=tmp_path)
        assert (full.code, "Traceback" in full.err) == (1, False), full.err
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        metaalign_data("run", recipe, "--out", disk / "run", cwd=tmp_path).check()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for out in ("run", "new"):
            refused = metaalign_data("run", recipe, "--out", disk / out, cwd=tmp_path)
            assert refused.code == 2
            assert "cannot write the run directory: Read-only file system" in refused.err
        metaalign_data("doctor", disk / "run", cwd=tmp_path).check()
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def test_a_rotten_ledger_is_refused_untouched_and_what_is_left_of_it_is_put_to_use(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path)
    metaalign_data("run", recipe, "--out", "run", cwd=tmp_path).check()
    ledger = tmp_path / "run/ledger.sqlite"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[: len(whole) * 3 // 4])
    for command in (("run", recipe, "--out", "run"), ("doctor", "run")):
        refused = metaalign_data(*command, cwd=tmp_path)
        assert refused.code in (1, 2)
        assert "Traceback" not in refused.err
        assert ledger.read_bytes() == whole[: len(whole) * 3 // 4]
    sick = metaalign_data("doctor", "run", cwd=tmp_path)
    assert sick.code == 1
    assert "answers can be saved" in sick.out
    metaalign_data("doctor", "run", "--salvage", "saved.sqlite", cwd=tmp_path).check()
    (tmp_path / "saved.sqlite").replace(ledger)
    done = json.loads(metaalign_data("run", recipe, "--out", "run", "--json", cwd=tmp_path).check().out)
    assert done["this_time"]["replayed"] > done["this_time"]["asked"] > 0
    assert metaalign_data("doctor", "run", cwd=tmp_path).check().out
