"""A bad day of a server: errors, limits, cut connections, broken JSON, silence and a restart; and every row ends."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from commands import metaalign_data
from mock_openai import Call, Faults, MockOpenAI, mock_openai

BAD_DAY = {
    "error_rate": 0.05,
    "random_429_rate": 0.05,
    "drop_rate": 0.03,
    "malformed_rate": 0.02,
    "hang_rate": 0.01,
    "latency_ms": 5.0,
    "restart_after": 400,
    "restart_s": 1.5,
}
STAGES = ["sample_preferences", "generate_responses", {"judge": {"votes": 2}}, {"pair": {"min_margin": 0.0}}]
SEED = 8
"""This server's verdicts are drawn by lot: with this seed some pairs come out."""
PROBES = ("told you about JSON yesterday", "any number between one and a million")
OF_THE_TEACHER = {"malformed", "length", "refused", "empty", "bad_request", "timeout", "connection", "server_error"}


def recipe_for(server: MockOpenAI, folder: Path, **settings: object) -> Path:
    """The deadline alone is shorter than the default, so that no test waits two minutes for silence."""
    recipe = {
        "name": "bad-day",
        "seed": SEED,
        "teacher": {"model": "mock-model", "base_url": server.base_url, "timeout_s": 1.0, **settings},
        "queries": {"source": "bundled", "limit": 30},
        "run": {"max_failure_rate": 1.0},
        "stages": STAGES,
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    return path


def ended(run: Path) -> dict[str, Any]:
    """The manifest, once every row is accounted for in it."""
    manifest: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    for name, c in manifest["counts"].items():
        assert c["in"] == c["passed"] + c["rejected"] + c["failed"], name
    return manifest


def reasons(run: Path) -> Counter[str]:
    """Why rows came to nothing for want of a usable answer."""
    files = [*(run / "rejects").glob("*.parquet"), run / "failures.parquet"]
    found = [pl.read_parquet(file)["reason"] for file in files if file.exists()]
    return Counter(reason for reason in pl.concat(found) if reason in OF_THE_TEACHER)


def test_with_the_default_settings_no_row_fails_on_a_bad_day(tmp_path: Path) -> None:
    with mock_openai(**BAD_DAY) as server:
        metaalign_data("run", recipe_for(server, tmp_path), "--out", "run", cwd=tmp_path)
    outcomes = Counter(call.outcome for call in server.calls)
    assert server.restarted
    assert {"ok", "500", "429", "drop", "malformed", "hang"} <= outcomes.keys()
    assert ended(tmp_path / "run")["state"] == "done"
    assert not reasons(tmp_path / "run")


def test_a_row_that_nobody_tries_twice_ends_with_its_reason_and_retry_failed_asks_for_that_alone(
    tmp_path: Path,
) -> None:
    with mock_openai(**BAD_DAY | {"latency_ms": 0.0, "restart_after": 0}) as server:
        recipe = recipe_for(server, tmp_path, max_attempts=1, json_attempts=1)
        metaalign_data("run", recipe, "--out", "run", cwd=tmp_path)
        run = tmp_path / "run"
        assert ended(run)["counts"]
        assert {"malformed", "connection", "server_error", "timeout"} == reasons(run).keys()
        server.faults = Faults()
        metaalign_data("retry-failed", "run", cwd=tmp_path).check()
        assert not reasons(run)
        assert ended(run)["state"] == "done"
        again = metaalign_data("retry-failed", "run", cwd=tmp_path).check()
        assert "nothing failed" in again.out
        both = answered(server.calls)
        server.calls.clear()
        metaalign_data("run", recipe, "--out", "whole", cwd=tmp_path).check()
    assert both - answered(server.calls) == Counter(), "what had an answer is not asked again"
    pairs = [pl.read_parquet(tmp_path / name / "dataset/pairs/*.parquet") for name in ("run", "whole")]
    assert pairs[0].equals(pairs[1])


def answered(calls: Sequence[Call]) -> Counter[str]:
    """How often each question of a stage had a usable answer; the few that find out what a server honours are none."""
    asked = [json.dumps(call.body["messages"]) for call in calls if call.outcome == "ok"]
    return Counter(text for text in asked if not any(probe in text for probe in PROBES))
