"""The pipeline against OpenAI-compatible servers that know nothing of it."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from commands import metaalign_data
from mock_openai import MockOpenAI, mock_openai

BY_LOT = [
    part
    for setting in (
        "stages.check_preferences.implicitness=false",
        "stages.check_preferences.recoverability=false",
        "stages.judge.votes=2",
        "stages.pair.min_margin=0",
    )
    for part in ("--set", setting)
]
"""Settings under which a judge and a reader who draw their verdicts by lot let some pairs through."""
KEY = "sk-test-0123456789abcdefghijklmnop"


def run_against(server: MockOpenAI, cwd: Path, *args: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, output and manifest of recipes/own-server.yaml on the bundled queries."""
    done = metaalign_data(
        *("run", "own-server", "--out", "run", "--limit", "30"),
        *("--set", "queries={source: bundled}", "--set", "teacher.model=mock-model"),
        *BY_LOT,
        *args,
        cwd=cwd,
        env={"METAALIGN_BASE_URL": server.base_url, "METAALIGN_API_KEY": KEY},
    )
    path = cwd / "run" / "manifest.json"
    return done.code, done.out + done.err, json.loads(path.read_text()) if path.exists() else {}


def test_every_row_ends_and_the_server_agrees_on_the_count(tmp_path: Path) -> None:
    with mock_openai() as server:
        code, output, manifest = run_against(server, tmp_path)
        assert code == 0, output
        probes = server.answered - manifest["cost"]["calls"]
        assert 0 <= probes <= 10
        again = run_against(server, tmp_path)
        assert again[2]["this_time"]["asked"] == 0
        assert server.answered - manifest["cost"]["calls"] == probes, "the second run asked nothing"
    pairs = pl.read_parquet(tmp_path / "run/dataset/pairs/*.parquet")
    assert pairs.height == manifest["counts"]["split"]["out"] > 0


def test_no_row_is_lost_to_faults_that_pass(tmp_path: Path) -> None:
    with mock_openai(error_rate=0.05, random_429_rate=0.05, drop_rate=0.03, malformed_rate=0.02) as server:
        code, output, manifest = run_against(server, tmp_path)
    assert code == 0, output
    assert sum(c["failed"] for c in manifest["counts"].values()) == 0


def test_the_key_is_in_nothing_that_a_run_writes_or_prints(tmp_path: Path) -> None:
    with mock_openai(error_rate=0.3) as server:
        _, output, _ = run_against(server, tmp_path, "--set", "teacher.max_attempts=2")
    assert KEY not in output
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_server_that_is_not_there_is_told_before_the_run(tmp_path: Path) -> None:
    with mock_openai() as server:
        gone = server
    code, output, manifest = run_against(gone, tmp_path)
    assert code == 2
    assert "does not answer" in output
    assert "Traceback" not in output
    assert manifest == {}
