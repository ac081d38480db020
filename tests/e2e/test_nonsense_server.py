"""A tiny random model behind `transformers serve`: a real server that nobody here wrote, which ignores what it does not
know (json_schema, n, logprobs) and answers nonsense.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from commands import metaalign_data
from tiny_model import save_tiny_model

pytest.importorskip("torch")
pytestmark = pytest.mark.serve


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def base_url(model: Path) -> Iterator[str]:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    serve = Path(sys.executable).parent / "transformers"
    process = subprocess.Popen(
        [serve, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], timeout_s: float = 120) -> None:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        assert process.poll() is None, "transformers serve ended by itself"
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=1)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(url)


def test_a_teacher_that_talks_nonsense_ends_in_a_verdict_with_every_row_accounted_for(
    base_url: str, model: Path, tmp_path: Path
) -> None:
    recipe = {
        "name": "nonsense",
        "teacher": {"model": str(model), "base_url": base_url, "max_concurrency": 4},
        "queries": {"source": "bundled", "limit": 3},
        "preferences": {"per_query": 2},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    done = metaalign_data("run", "recipe.yaml", cwd=tmp_path, timeout_s=300)
    assert done.code == 1, done.out + done.err
    assert "no pair came out" in done.out
    assert "Traceback" not in done.err
    run = tmp_path / "runs" / "nonsense"
    manifest = json.loads((run / "manifest.json").read_text())
    (honoured,) = manifest["server_honours"].values()
    assert honoured["structured_output"] == "text"
    assert not honoured["n"]
    assert not honoured["logprobs"]
    assert any("does not honour" in notice and notice in done.out for notice in manifest["notices"])
    for c in manifest["counts"].values():
        assert c["in"] == c["passed"] + c["rejected"] + c["failed"]
    ended = [pl.read_parquet(path)["reason"] for path in (run / "rejects").glob("*.parquet")]
    if (run / "failures.parquet").exists():
        ended.append(pl.read_parquet(run / "failures.parquet")["reason"])
    assert set(pl.concat(ended)) <= {"length", "malformed", "empty", "server_error", "timeout"}
