"""`metaalign-data run` as people use it: a process, a folder, exit codes."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from commands import COMMAND, dataset_bytes, metaalign_data, start
from simulated_truth import wrong_way_round

RUN = Path("runs/quickstart")
COLUMNS = """
    prompt chosen rejected id subset system_info user_info query preference preference_id preference_kind dimension
    value rejected_because chosen_score rejected_score margin agreement votes chosen_model rejected_model judge_model
    flip_id prompt_versions
""".split()  # noqa: SIM905  the contract, as it is written down


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the quickstart has run."""
    cwd = tmp_path_factory.mktemp("quickstart")
    done = metaalign_data("run", "quickstart", cwd=cwd).check()
    assert "runs/quickstart/dataset" in done.out
    assert "$0.0000 (simulated)" in done.out
    return cwd


@pytest.fixture
def slow_server() -> Iterator[str]:
    """The simulated teacher behind a real HTTP server, 25 ms an answer."""
    command = [*COMMAND, "simulate-server", "--port", "0", "--json", "--set", "faults.latency_ms=25"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield json.loads(process.stdout.readline())["base_url"]
    finally:
        process.terminate()
        process.wait()


def recipe_for(base_url: str, folder: Path, **more: object) -> Path:
    recipe = {
        "name": "served",
        "teacher": {
            "model": "simulated",
            "base_url": base_url,
            "max_concurrency": 8,
            "price": {"input": 1, "output": 2},
        },
        "queries": {"source": "bundled", "limit": 10},
        **more,
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    return path


def manifest(run: Path) -> dict:
    return json.loads((run / "manifest.json").read_text())


def test_a_second_run_asks_nothing_and_gives_the_same_bytes(finished: Path) -> None:
    before = dataset_bytes(finished / RUN)
    metaalign_data("run", "quickstart", cwd=finished).check()
    assert manifest(finished / RUN)["this_time"]["asked"] == 0
    assert dataset_bytes(finished / RUN) == before


def test_another_seed_gives_another_dataset_and_the_same_seed_the_same_one(finished: Path) -> None:
    metaalign_data("run", "quickstart", "--out", "same", cwd=finished).check()
    metaalign_data("run", "quickstart", "--out", "other", "--set", "seed=8", cwd=finished).check()
    rows = [
        pl.read_parquet(finished / run / "dataset/pairs/*.parquet")["id"].to_list() for run in (RUN, "same", "other")
    ]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]
    assert dataset_bytes(finished / "same") == dataset_bytes(finished / RUN)


def test_in_every_subset_every_row_is_the_right_way_round(finished: Path) -> None:
    rows = pl.read_parquet(finished / RUN / "dataset/pairs/*.parquet")
    assert set(rows["subset"]) == {"priority", "helpful", "consensus", "diverse_opinion"}
    assert wrong_way_round(rows) == []


def test_rows_are_shown_with_the_earlier_turns_that_tell_the_preference(finished: Path) -> None:
    rows = pl.read_parquet(finished / RUN / "dataset/pairs/*.parquet")
    shown = metaalign_data("run", "quickstart", "--show", str(rows.height), cwd=finished).check().out
    assert shown.count("Earlier turns") == rows.filter(pl.col("prompt").list.len() > 2).height > 10


def test_counts_add_up_and_every_reject_is_kept(finished: Path) -> None:
    counts = manifest(finished / RUN)["counts"]
    for name, c in counts.items():
        assert c["in"] == c["passed"] + c["rejected"] + c["failed"], name
        kept = finished / RUN / "rejects" / f"{name}.parquet"
        rejects = sum(n for reason, n in c["reasons"].items() if reason.startswith("rejected"))
        assert (pl.read_parquet(kept).height if kept.exists() else 0) == rejects, name
    for before, after in zip(list(counts)[:-1], list(counts)[1:], strict=True):
        assert counts[before]["out"] == counts[after]["in"]


def test_status_says_how_it_stands(finished: Path) -> None:
    done = metaalign_data("status", str(RUN), cwd=finished).check()
    assert "quickstart: done" in done.out
    assert json.loads(metaalign_data("status", str(RUN), "--json", cwd=finished).check().out)["state"] == "done"


@pytest.mark.parametrize(("silent_s", "dead"), [(3, False), (300, True)])
def test_status_tells_a_run_that_is_dead_from_one_that_goes_on(
    finished: Path, tmp_path: Path, silent_s: int, dead: bool
) -> None:
    noted = datetime.now(UTC) - timedelta(seconds=silent_s)
    left = manifest(finished / RUN) | {"state": "running", "updated_at": noted.isoformat()}
    (tmp_path / "manifest.json").write_text(json.dumps(left))
    out = metaalign_data("status", ".", cwd=tmp_path).check().out
    assert re.search(r"last sign of life \d+ s ago", out)
    assert ("run the same recipe again" in out) == dead


def test_json_prints_one_object_on_stdout(finished: Path) -> None:
    done = metaalign_data("run", "quickstart", "--json", cwd=finished).check()
    assert json.loads(done.out)["state"] == "done"


@pytest.mark.parametrize("name", ["jsonl", "trl", "sft"])
def test_export_writes_json_lines(finished: Path, name: str) -> None:
    metaalign_data("export", str(RUN), "--format", name, "--out", f"exported-{name}", cwd=finished).check()
    files = sorted((finished / f"exported-{name}").glob("*.jsonl"))
    assert all(json.loads(line) for file in files for line in file.read_text().splitlines())
    assert len(files) >= 1


def test_datasets_loads_every_config_and_split_with_every_column(finished: Path, tmp_path: Path) -> None:
    code = f"""
import json, datasets
folder = {str(finished / RUN / "dataset")!r}
print(json.dumps({{c: {{s: [d.num_rows, d.column_names] for s, d in datasets.load_dataset(folder, c).items()}}
    for c in ("pairs", "sft", "preferences")}}))
"""
    env = os.environ | {"HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    out = subprocess.run([COMMAND[0], "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    loaded = json.loads(out.splitlines()[-1])
    assert {c: {s: rows for s, (rows, _) in splits.items()} for c, splits in loaded.items()} == manifest(
        finished / RUN
    )["dataset"]
    assert set(COLUMNS) <= set(loaded["pairs"]["train"][1])


def test_a_budget_stops_with_code_3_and_goes_on_when_it_is_raised(slow_server: str, tmp_path: Path) -> None:
    recipe = recipe_for(slow_server, tmp_path)
    free = metaalign_data("run", recipe, "--out", "free", cwd=tmp_path).check()
    assert "cost" in free.out
    assert manifest(tmp_path / "free")["simulated"], "the simulated teacher keeps its name behind a server"
    stopped = metaalign_data("run", recipe, "--out", "run", "--set", "budget.calls=30", cwd=tmp_path)
    assert stopped.code == 3
    assert manifest(tmp_path / "run")["state"] == "budget_reached"
    assert manifest(tmp_path / "run")["cost"]["calls"] <= 30
    metaalign_data("run", recipe, "--out", "run", cwd=tmp_path).check()
    assert dataset_bytes(tmp_path / "run").keys() == dataset_bytes(tmp_path / "free").keys()
    assert manifest(tmp_path / "run")["cost"] == manifest(tmp_path / "free")["cost"]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_ended_run_resumes_and_pays_for_nothing_twice(
    slow_server: str, tmp_path: Path, signum: int, code: int
) -> None:
    recipe = recipe_for(slow_server, tmp_path)
    process = start("run", recipe, "--out", "run", cwd=tmp_path)
    ledger = tmp_path / "run" / "ledger.sqlite-wal"
    while not (ledger.exists() and ledger.stat().st_size > 100_000):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signum)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    said = "served: running last sign of life" if signum == signal.SIGKILL else "served: interrupted"
    assert said in metaalign_data("status", "run", cwd=tmp_path).check().out
    done = metaalign_data("run", recipe, "--out", "run", "--json", cwd=tmp_path).check()
    assert json.loads(done.out)["this_time"]["replayed"] >= 5  # the ledger held more than 100 kB of answers
    metaalign_data("run", recipe, "--out", "whole", cwd=tmp_path).check()
    whole = pl.read_parquet(tmp_path / "whole/dataset/pairs/*.parquet")
    assert pl.read_parquet(tmp_path / "run/dataset/pairs/*.parquet").equals(whole)


def test_a_run_whose_rows_all_fail_ends_with_a_verdict_and_code_1(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "name: bad\nteacher: {provider: simulated, faults: {refusal: 1.0}}\nqueries: {source: bundled, limit: 5}\n"
    )
    done = metaalign_data("run", "recipe.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "no pair came out" in done.out
    assert "refused" in done.out
    assert not (tmp_path / "runs/bad/dataset").exists()


def test_init_validate_estimate_preview(tmp_path: Path) -> None:
    metaalign_data("init", "mine.yaml", "--from", "quickstart", cwd=tmp_path).check()
    again = metaalign_data("init", "mine.yaml", cwd=tmp_path)
    assert (again.code, "is there already" in again.err) == (2, True)
    metaalign_data("validate", "mine.yaml", cwd=tmp_path).check()
    figures = {
        f["name"]: f
        for f in json.loads(metaalign_data("estimate", "mine.yaml", "--json", cwd=tmp_path).check().out)["figures"]
    }
    metaalign_data("preview", "mine.yaml", cwd=tmp_path).check()
    metaalign_data("run", "mine.yaml", cwd=tmp_path).check()
    asked = manifest(tmp_path / "runs/quickstart")["cost"]["calls"]
    assert figures["calls"]["low"] * 0.8 <= asked <= figures["calls"]["high"] * 1.2
    assert manifest(tmp_path / "runs/quickstart")["this_time"]["replayed"] > 0, "the preview's answers are used again"


def test_stages_and_prompts_are_listed(tmp_path: Path) -> None:
    assert {"judge", "dedup"} <= json.loads(metaalign_data("stages", "--json", cwd=tmp_path).check().out).keys()
    assert "judge_pairwise" in metaalign_data("prompts", cwd=tmp_path).check().out
    wrong = metaalign_data("stages", "jugde", cwd=tmp_path)
    assert (wrong.code, "did you mean 'judge'" in wrong.err) == (2, True)


def test_a_mistake_in_a_recipe_is_told_with_its_line_and_code_2(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x\nsede: 7\nteacher: {provider: simulated}\nstages:\n  - jugde\n")
    done = metaalign_data("validate", "recipe.yaml", cwd=tmp_path)
    assert done.code == 2
    assert "recipe.yaml:2: unknown key 'sede'; did you mean 'seed'?" in done.err
    assert "recipe.yaml:5: stages: unknown stage 'jugde'; did you mean 'judge'?" in done.err
    told = metaalign_data("validate", "recipe.yaml", "--json", cwd=tmp_path)
    assert json.loads(told.out)["error"].splitlines() == done.err.splitlines()
    assert "Traceback" not in done.err
