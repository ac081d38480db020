"""Everything that the README tells people to type, typed; what it shows, looked up."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from commands import metaalign_data
from environments import CHECKOUT
from metaalign_data.resources import bundled
from mock_openai import MockOpenAI, mock_openai

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for block in blocks("sh") for line in block.splitlines()]
    return [line[1:] for line in lines if line and line[0] == "metaalign-data"]


@pytest.fixture(scope="module")
def server() -> Iterator[MockOpenAI]:
    with mock_openai(model="gpt-4o-mini") as server:
        yield server


@pytest.fixture(scope="module")
def folder(server: MockOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README leaves it: the recipe, some queries, and every command run in its order."""
    cwd = tmp_path_factory.mktemp("readme")
    (cwd / "recipe.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    queries = [json.loads(line) for line in (bundled("recipes") / "queries/everyday.jsonl").read_text().splitlines()]
    rows = [{"id": row["id"], "instruction": row["text"], "input": ""} for row in queries]
    (cwd / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    env = dict.fromkeys(("OPENAI_BASE_URL", "METAALIGN_BASE_URL"), server.base_url)
    env |= {"OPENAI_API_KEY": "sk-readme", "METAALIGN_API_KEY": "sk-readme"}
    for args in commands():
        done = metaalign_data(*args, cwd=cwd, env=env)
        may_find_no_pair = args[0] == "preview"  # three queries, and a judge that tosses a coin
        assert done.code == 0 or (may_find_no_pair and done.code == 1), (args, done)
    return cwd


def test_every_command_runs(folder: Path) -> None:
    assert len(commands()) > 10
    assert {path.name for path in (folder / "runs").iterdir()} == {
        "quickstart",
        "my-first-dataset",
        "my-first-dataset-simulated",
        "own-server",
    }


def test_every_python_block_runs(folder: Path, tmp_path: Path) -> None:
    env = {"HF_HOME": str(tmp_path), "HF_DATASETS_OFFLINE": "1", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    for code in blocks("python"):
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, check=True, timeout=120)


def test_the_pair_and_its_flip_that_it_shows_are_rows_of_the_quickstart(folder: Path) -> None:
    cells = {
        name: [cell.strip() for cell in row]
        for name, *row in re.findall(r"^\| \*\*(.*?)\*\* \| (.*?) \| (.*?) \|$", README, re.M)
    }
    rows = pl.read_parquet(folder / "runs/quickstart/dataset/pairs/*.parquet")
    shown = [
        rows.filter((pl.col("system_info") == system) & (pl.col("user_info") == user)).row(0, named=True)
        for system, user in zip(cells["System Info"], cells["User Info"], strict=True)
    ]
    for i, row in enumerate(shown):
        assert row["query"] == cells["Query"][i]
        assert row["chosen"][0]["content"].startswith(cells["Chosen"][i].removesuffix(" […]"))
        assert row["rejected"][0]["content"].startswith(cells["Rejected"][i].removesuffix(" […]"))
    assert shown[0]["flip_id"] == shown[1]["flip_id"] is not None
    assert shown[0]["chosen"] == shown[1]["rejected"]


def test_the_mistake_that_it_shows_is_told_in_these_words(tmp_path: Path) -> None:
    recipe = blocks("yaml")[0].replace("- judge:", "- jugde:")
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    told = metaalign_data("validate", "recipe.yaml", cwd=tmp_path).err
    assert re.search(r"unknown stage 'jugde'; did you mean 'judge'\?", told)
    assert "unknown stage 'jugde'; did you mean 'judge'?" in README


def test_every_make_target_that_it_names_is_there() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`| {4})make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_file_that_it_links_is_there() -> None:
    for link in re.findall(r"\]\(((?!https?://)[^)]+)\)", README):
        assert (CHECKOUT / link).exists(), link


def test_the_rows_of_every_subset_that_the_docs_show_are_rows_of_the_quickstart(folder: Path) -> None:
    rows = pl.read_parquet(folder / "runs/quickstart/dataset/pairs/*.parquet")
    sections = (CHECKOUT / "docs/rows.md").read_text(encoding="utf-8").split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == ["priority", "helpful", "consensus", "diverse_opinion"]
    for section in sections:
        shown = dict(re.findall(r"^\| \*\*(.*?)\*\* \| (.*?) \|$", section, re.M))
        row = rows.filter(pl.col("id") == shown["id"].strip("`")).row(0, named=True)
        assert section.startswith(row["subset"])
        assert (row["system_info"], row["query"]) == (shown["System Info"], shown["Query"])
        assert shown["User Info"] == (row["user_info"] or "–")
        for side in ("chosen", "rejected"):
            text = " ".join(row[side][0]["content"].split())
            assert text.startswith(shown[side.capitalize()].removesuffix(" […]"))
