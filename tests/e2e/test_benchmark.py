"""A run that keeps a benchmark out of its rows, and a look at what is left."""

import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from commands import metaalign_data
from metaalign_data.resources import bundled

RECIPE = {
    "name": "clean",
    "teacher": {"provider": "simulated"},
    "queries": {"source": "bundled", "limit": 12},
    "stages": [
        *("sample_preferences", "generate_responses", "judge", "pair", "dedup"),
        {"decontaminate": {"against": ["bench.csv"]}},
        "split",
    ],
}


@pytest.fixture(scope="module")
def queries() -> list[str]:
    lines = (bundled("recipes") / "queries/everyday.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines[:12]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, queries: list[str]) -> Path:
    """A run, called from another folder than that of its recipe. The benchmark holds the first half of the queries."""
    cwd = tmp_path_factory.mktemp("clean")
    (cwd / "mine").mkdir()
    (cwd / "mine/recipe.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    (cwd / "mine/bench.csv").write_text("question\n" + "".join(f'"{text}"\n' for text in queries[:6]), encoding="utf-8")
    metaalign_data("run", "mine/recipe.yaml", cwd=cwd).check()
    return cwd / "runs/clean"


def test_rows_of_the_benchmark_are_rejected_with_its_line(finished: Path, queries: list[str]) -> None:
    rejects = pl.read_parquet(finished / "rejects/decontaminate.parquet")
    assert set(rejects["reason"]) == {"benchmark_ngram"}
    for reject in rejects.iter_rows(named=True):
        line = queries.index(json.loads(reject["row"])["query"]) + 2
        assert f"bench.csv:{line}, " in reject["detail"]
    kept = pl.read_parquet(finished / "dataset/pairs/*.parquet")
    assert kept.height
    assert not set(kept["query"]) & set(queries[:6])


def test_a_missing_benchmark_stops_the_run_before_it_starts(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes((finished / "recipe.yaml").read_bytes())
    for command in ("validate", "run"):
        done = metaalign_data(command, "recipe.yaml", cwd=tmp_path)
        assert done.code == 2
        assert "bench.csv: there is no such file" in done.err
    assert not (tmp_path / "runs").exists()


def test_similar_shows_the_nearest_rows_as_a_table_and_as_json(finished: Path) -> None:
    row = pl.read_parquet(finished / "dataset/pairs/*.parquet").row(0, named=True)
    shown = metaalign_data("similar", finished, row["query"], "-k", "1", cwd=finished).check()
    assert row["query"][:60] in shown.out
    assert "1.000" in shown.out
    found = json.loads(metaalign_data("similar", finished, row["query"], "--json", cwd=finished).check().out)
    assert found["embedder"] == "hashed-ngrams"
    assert {found["rows"][0]["text"]} == {row["query"]}
    assert len(found["rows"]) == 10


def test_similar_needs_a_run_with_a_dataset(tmp_path: Path) -> None:
    done = metaalign_data("similar", tmp_path, "x", cwd=tmp_path)
    assert done.code == 2
    assert "no run here" in done.err
