"""A run that starts from a dataset on a Hub: streamed, its columns mapped by name."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from commands import metaalign_data
from loopback_hub.server import LoopbackHub

ROWS = [{"uid": f"q{i}", "instruction": f"Give me a tip for day {i} of a long hike.", "input": ""} for i in range(300)]


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        publish(hub, "tester/words", {"train.jsonl": b'{"text": "Why?"}\n'})
        yield hub


@pytest.fixture
def env(hub: LoopbackHub, tmp_path: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_writer"}


def publish(hub: LoopbackHub, name: str, files: dict[str, bytes], *, private: bool = False) -> None:
    """A dataset that somebody has pushed."""
    repo = hub.store.create("dataset", name, hub.store.users["hf_writer"], private=private)
    entries = {path: hub.store.regular(content) for path, content in files.items()}
    repo.add_commit("refs/heads/main", repo.at("main").files | entries, "rows", "tester", repo.at("main").id)


def recipe(folder: Path, stages: list[str] | None = None, **queries: object) -> Path:
    told = {"name": "hub", "teacher": {"provider": "simulated"}, "queries": queries}
    told |= {"stages": stages} if stages else {}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


def test_a_run_takes_mapped_columns_from_a_private_dataset_and_no_more_rows_than_it_needs(
    hub: LoopbackHub, env: dict[str, str], tmp_path: Path
) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    publish(hub, "tester/tips", {"data/train.jsonl": lines.encode()}, private=True)
    path = recipe(tmp_path, source="tester/tips", text=["instruction", "input"], id="uid", limit=7)
    done = metaalign_data("run", path, "--json", "--out", "run", cwd=tmp_path, env=env).check()
    counts = json.loads(done.out)["counts"]["queries"]
    assert (counts["in"], counts["out"]) == (7, 7)
    assert "tester/tips" in (tmp_path / "run/dataset/README.md").read_text()


def test_our_own_dataset_can_be_taken_back_as_pairs(hub: LoopbackHub, env: dict[str, str], tmp_path: Path) -> None:
    metaalign_data("run", "quickstart", "--limit", "4", "--out", "first", cwd=tmp_path).check()
    dataset = tmp_path / "first/dataset"
    files = {str(f.relative_to(dataset)): f.read_bytes() for f in dataset.rglob("*") if f.is_file()}
    publish(hub, "tester/ours", files)
    columns = {"text": "query", "id": "id", "chosen": "chosen", "rejected": "rejected"}
    meta = {"system_info": "system_info", "user_info": "user_info"}
    stages = ["explain_pairs", "judge", "pair", "dedup", "split"]
    path = recipe(tmp_path, stages, source="tester/ours", config="pairs", split="train", limit=5, **columns, **meta)
    done = metaalign_data("run", path, "--json", "--out", "second", cwd=tmp_path, env=env)
    counts = json.loads(done.out)["counts"]
    assert counts["queries"]["out"] == 5, done.err


def test_the_licence_that_the_hub_gives_of_the_source_counts_when_the_dataset_is_pushed(
    hub: LoopbackHub, env: dict[str, str], tmp_path: Path
) -> None:
    lines = "".join(json.dumps({"text": row["instruction"]}) + "\n" for row in ROWS[:4])
    card = b"---\nlicense: cc-by-nc-4.0\n---\n"
    publish(hub, "tester/not-for-sale", {"data/train.jsonl": lines.encode(), "README.md": card})
    path = recipe(tmp_path, source="tester/not-for-sale")
    set_mit = ["--set", "dataset.license=mit"]
    metaalign_data("run", path, "--out", "run", *set_mit, cwd=tmp_path, env=env).check()
    assert "| tester/not-for-sale | cc-by-nc-4.0 |" in (tmp_path / "run/dataset/README.md").read_text()
    done = metaalign_data("push", "run", "tester/sold", "--allow-simulated", cwd=tmp_path, env=env)
    assert done.code == 2
    assert "its source is under cc-by-nc-4.0, which rules out commercial use; mit allows it" in done.err


@pytest.mark.parametrize(
    ("queries", "told"),
    [
        ({"source": "tester/nowhere"}, "tester/nowhere: cannot be loaded from the Hub"),
        ({"source": "tester/words", "text": "nope"}, "nope"),
        ({"source": "tester/words", "text": "text", "split": "nosplit"}, "tester/words: cannot be loaded from the Hub"),
    ],
)
def test_what_the_hub_lacks_is_told_in_a_sentence(
    hub: LoopbackHub, env: dict[str, str], tmp_path: Path, queries: dict[str, str], told: str
) -> None:
    done = metaalign_data("run", recipe(tmp_path, **queries), "--out", "run", cwd=tmp_path, env=env)
    assert done.code == 1
    assert told in done.out
    assert "Traceback" not in done.out + done.err
