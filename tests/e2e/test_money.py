"""What a run costs and who gets to see the key, with the command line as a process and a server that keeps count."""

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batch_openai import BatchOpenAI, Troubles, batch_openai
from commands import metaalign_data, start
from mock_openai import MockOpenAI, mock_openai

KEY = "sk-our-very-own-key-0123456789"
PRICE = {"input": 1.25, "output": 10, "cached_input": 0.125}
STAGES = ["sample_preferences", {"generate_responses": {"candidates": 2}}, "judge", "pair"]


def recipe_for(server: MockOpenAI, folder: Path, **more: Any) -> Path:
    teacher = {
        "model": "mock-model",
        "base_url": server.base_url,
        "api_key_env": "OUR_KEY",
        "price": PRICE,
        "max_attempts": 12,
        "json_attempts": 4,
        **more.pop("teacher", {}),
    }
    recipe = {"name": "paid", "teacher": teacher, "queries": {"source": "bundled", "limit": 6}, "stages": STAGES}
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe | more))
    return path


def charged(usages: Sequence[dict[str, Any]]) -> Decimal:
    """What the server would put on its bill."""
    usd = Decimal(0)
    for usage in usages:
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        out = usage["total_tokens"] - usage["prompt_tokens"]  # with reasoning
        usd += (usage["prompt_tokens"] - cached) * Decimal("1.25") + cached * Decimal("0.125") + out * 10
    return usd / 1_000_000


def cost(run: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((run / "manifest.json").read_text())["cost"]
    return told


ENV = {"OUR_KEY": KEY, "OPENAI_API_KEY": "", "XDG_CONFIG_HOME": "/nonexistent", "METAALIGN_TRUSTED_HOSTS": ""}


def test_the_cost_is_the_servers_own_bill_to_the_last_digit(tmp_path: Path) -> None:
    faults = {"error_rate": 0.05, "random_429_rate": 0.05, "malformed_rate": 0.2, "charged_for_nothing_rate": 0.05}
    with mock_openai(**faults, cached_share=0.5, reasoning_tokens=7) as server:
        recipe = recipe_for(server, tmp_path)
        metaalign_data("run", recipe, "--out", "run", cwd=tmp_path, env=ENV)
        told = cost(tmp_path / "run")
        assert Decimal(told["usd"]) == charged(server.usages)
        assert told["calls"] == len(server.usages) > 50
        assert any(call.outcome == "malformed" for call in server.calls)
        assert any(call.outcome == "nothing" for call in server.calls)


def test_no_request_passes_the_budget_and_a_raised_one_goes_on(tmp_path: Path) -> None:
    with mock_openai(latency_ms=5) as server:
        recipe = recipe_for(server, tmp_path, budget={"usd": 0.1})
        stopped = metaalign_data("run", recipe, "--out", "run", cwd=tmp_path, env=ENV)
        assert stopped.code == 3, stopped.out + stopped.err
        assert "budget of 0.1 USD" in stopped.out
        assert Decimal("0.02") < charged(server.usages) <= Decimal("0.1")
        assert Decimal(cost(tmp_path / "run")["usd"]) == charged(server.usages)
        metaalign_data("run", recipe, "--out", "run", "--set", "budget.usd=50", cwd=tmp_path, env=ENV)
        told = cost(tmp_path / "run")
        assert (Decimal(told["usd"]), told["calls"]) == (charged(server.usages), len(server.usages))  # none asked twice


def test_a_run_that_is_killed_while_batches_are_pending_pays_for_no_line_twice(tmp_path: Path) -> None:
    with batch_openai(Troubles(delay_s=0.4, line_failures=[2, 0, 1], endings=["completed", "expired"])) as server:
        recipe = recipe_for(server, tmp_path, teacher={"batch": {"quiet_s": 0.2, "poll_s": 0.1}})
        for n, (signum, code) in enumerate([(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGKILL, -9)], 1):
            process = start("run", recipe, "--out", "run", cwd=tmp_path, env=ENV)
            assert ended_while_pending(process, server, signum, batches=n) == code
        shown = metaalign_data("batches", "run", cwd=tmp_path, env=ENV).check().out
        assert "requests, sent" in shown
        ended = metaalign_data("run", recipe, "--out", "run", cwd=tmp_path, env=ENV)
        assert ended.code in (0, 1), ended.err  # the mock's judge is a coin: there may be no pair
        assert server.asked_twice() == 0
        expected = sum(usage["prompt_tokens"] + usage["completion_tokens"] for usage in server.usages)
        told = cost(tmp_path / "run")
        assert told["prompt_tokens"] + told["completion_tokens"] == expected
        assert "no batch is pending" in metaalign_data("batches", "run", cwd=tmp_path, env=ENV).check().out


def ended_while_pending(process: "subprocess.Popen[str]", server: BatchOpenAI, signum: int, batches: int) -> int:
    """Its exit code. Nobody waits for the batch."""
    while len(server.batches) < batches:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signum)
    process.communicate(timeout=30)
    return process.returncode


def test_a_key_that_a_server_echoes_is_in_nothing_that_a_run_writes(tmp_path: Path) -> None:
    faults = {"error_rate": 0.2, "malformed_rate": 0.2, "charged_for_nothing_rate": 0.1, "max_tokens": "refuse"}
    outputs = []
    with mock_openai(echo_key=True, **faults) as server:
        recipe = recipe_for(server, tmp_path, teacher={"max_attempts": 2, "json_attempts": 2})
        for command in (["validate", recipe], ["run", recipe, "--out", "run", "-v"], ["status", "run"]):
            outputs.append(metaalign_data(*command, cwd=tmp_path, env=ENV))
    with mock_openai(echo_key=True, api_key="another") as server:
        refused = recipe_for(server, tmp_path)
        outputs.append(metaalign_data("run", refused, "--out", "refused", cwd=tmp_path, env=ENV))
        outputs.append(metaalign_data("validate", refused, cwd=tmp_path, env=ENV))
    with batch_openai(Troubles(line_failures=[9]), echo_key=True) as batching:
        batched = recipe_for(batching, tmp_path, teacher={"batch": {"quiet_s": 0.1, "poll_s": 0.1}})
        outputs.append(metaalign_data("run", batched, "--out", "batched", "-v", cwd=tmp_path, env=ENV))
    for done in outputs:
        assert KEY not in done.out + done.err
        assert "Traceback" not in done.err
    assert echoed(tmp_path / "run") > 10, "the server did echo it, in answers and in failures"
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY not in everything(file), file


def everything(file: Path) -> str:
    """All that a file holds, unpacked."""
    match file.suffix:
        case ".parquet":
            return pl.read_parquet(file).write_ndjson()
        case ".sqlite":
            with sqlite3.connect(file) as db:
                tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                return str([db.execute(f"SELECT * FROM {table}").fetchall() for table in tables])
        case _:
            return file.read_bytes().decode("latin-1")


def echoed(run: Path) -> int:
    return sum(everything(file).count("[redacted]") for file in run.rglob("*") if file.is_file())


def test_a_key_goes_to_a_strange_host_only_when_the_user_says_so_once(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    teacher = {"model": "m", "base_url": "http://llm.invalid:9/v1", "api_key_env": "OUR_KEY"}
    recipe.write_text(json.dumps({"name": "r", "teacher": teacher, "queries": {"source": "bundled"}}))
    env = ENV | {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    refused = metaalign_data("run", recipe, cwd=tmp_path, env=env)
    assert refused.code == 2
    assert "would send the key in OUR_KEY to llm.invalid" in refused.err
    assert "metaalign-data trust OUR_KEY llm.invalid" in refused.err
    metaalign_data("trust", "OUR_KEY", "llm.invalid", cwd=tmp_path, env=env).check()
    assert "llm.invalid:9/v1 does not answer" in metaalign_data("run", recipe, cwd=tmp_path, env=env).err
    another = ["run", recipe, "--set", "teacher.api_key_env=HF_TOKEN"]
    assert "HF_TOKEN to llm.invalid" in metaalign_data(*another, cwd=tmp_path, env=env | {"HF_TOKEN": "x"}).err
    assert "does not answer" in metaalign_data(*another, cwd=tmp_path, env=env | {"HF_TOKEN": ""}).err


@pytest.mark.parametrize("command", ["run", "validate", "preview"])
def test_an_unknown_price_with_a_budget_in_usd_is_refused(tmp_path: Path, command: str) -> None:
    with mock_openai() as server:
        recipe = recipe_for(server, tmp_path, teacher={"price": None}, budget={"usd": 1})
        done = metaalign_data(command, recipe, cwd=tmp_path, env=ENV)
    assert done.code == 2
    assert "the price of the teacher is unknown" in done.err
    assert server.calls == []
