"""A small dataset as it is published, and configurations that train a tiny model on it in a second or two."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from environments import Done

CARD = """---
configs:
- config_name: pairs
  data_files:
  - {split: train, path: "pairs/train-*.parquet"}
  - {split: test, path: "pairs/test-*.parquet"}
---
"""
ANSWERS = {"short": "Yes.", "long": "Yes, and there is a good deal more to be said about it."}


def pair(i: int, wish: str) -> dict[str, Any]:
    """A row that asks for a short or a long answer to question `i`."""
    other = "long" if wish == "short" else "short"
    system = f"<System Info>\nYou are an assistant.\n\n<User Info>\nI like {wish} answers."
    return {
        "prompt": [
            {"role": "system", "content": system},
            {"role": "user", "content": f"Is {i} a number?"},
        ],
        "chosen": [{"role": "assistant", "content": ANSWERS[wish]}],
        "rejected": [{"role": "assistant", "content": ANSWERS[other]}],
        "id": f"row{i}{wish}",
        "system_info": "You are an assistant.",
        "user_info": f"I like {wish} answers.",
        "query": f"Is {i} a number?",
        "dimension": "length",
        "value": wish,
        "chosen_model": "gpt-x",
        "rejected_model": "gpt-x",
        "judge_model": "gpt-x",
        "flip_id": f"flip{i}",
    }


def pairs(questions: int = 12) -> list[dict[str, Any]]:
    """Two rows a question, each the flip of the other."""
    return [pair(i, wish) for i in range(questions) for wish in ("short", "long")]


def save_dataset(
    folder: Path, train: list[dict[str, Any]] | None = None, test: list[dict[str, Any]] | None = None
) -> Path:
    """A dataset folder with the splits train and test."""
    (folder / "pairs").mkdir(parents=True)
    for split, rows in (("train", train or pairs()), ("test", test or pairs(2))):
        pl.DataFrame(rows).write_parquet(folder / f"pairs/{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder


def settings(data: Path, **changes: Any) -> dict[str, Any]:
    """A configuration: SFT of a new model in six steps, unless changed."""
    return {
        "name": "tiny",
        "data": {"source": str(data), "max_length": 256, "held_out": "test"},
        "model": {"new": {"vocabulary": 320, "hidden": 32, "layers": 2, "heads": 2, "context": 256}},
        "sft": {"rows_per_step": 8, "epochs": 2, "learning_rate": 1e-2},
    } | changes


def write_config(path: Path, config: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(config), encoding="utf-8")  # YAML, too
    return path


def start_trainer(*args: str | Path, processes: int = 1) -> subprocess.Popen[str]:
    """`python -m metaalign_trainer` in a process group of its own, or `torchrun` with several processes."""
    one = [sys.executable, "-m", "metaalign_trainer"]
    several = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = one if processes == 1 else [*several, "-m", "metaalign_trainer"]
    return subprocess.Popen(
        [*command, *map(str, args)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_trainer(*args: str | Path, processes: int = 1, timeout_s: float = 120) -> Done:
    process = start_trainer(*args, processes=processes)
    out, err = process.communicate(timeout=timeout_s)
    return Done(process.returncode, out, err)


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
