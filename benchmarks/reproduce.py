"""The paper's claims in miniature: does a small model follow preferences given at inference time, ones it never saw included?

    python benchmarks/reproduce.py [--small] [--out DIR]        (make reproduce)

Data of the simulated teacher (recipes/reproduce.yaml), models from scratch (recipes/train-reproduce.yaml), and for each
seed four of them: static SFT and static SFT + DPO, which see no meta-prompt; MetaAlign SFT on all rows; MetaAlign in two
stages, SFT on half of the queries and DPO on the other half against what the first stage answers. All are scored on the
same rows; the table shows means over the seeds. What the figures mean: docs/reproduce.md.

Writes results/reproduce.json and .png (--small: reproduce_small). A run that was stopped goes on where it was.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from claims import BARS, SETS, plot, print_table
from flip_scores import Score, rows_by_set, scores
from held_out_combinations import hold_out
from machine import machine

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DATA, TRAINING = ROOT / "recipes" / "reproduce.yaml", ROOT / "recipes" / "train-reproduce.yaml"
SEEDS = 3
DPO = ("dpo.epochs=1", "dpo.rows_per_step=16", "dpo.learning_rate=5.0e-4")
SMALL = ("sft.max_steps=20", "dpo.max_steps=5", "data.limit=300")


@dataclass(frozen=True)
class Run:
    """One training run, and the models that it makes: by their names in the table, the folders under its own."""

    name: str
    overrides: tuple[str, ...]
    models: dict[str, str]
    prompts: str = "meta"


RUNS = (
    Run(
        "two-stage", ("two_stage.sft_share=0.5", "two_stage.max_new_tokens=200", *DPO), {"MetaAlign SFT + DPO": "model"}
    ),
    Run("metaalign", (), {"MetaAlign SFT": "model"}),
    Run("static", ("data.prompts=none", *DPO), {"static SFT": "sft/model", "static SFT + DPO": "model"}, "none"),
)
"""The longest first, so that no core waits for it at the end."""
MODELS = ("static SFT", "static SFT + DPO", "MetaAlign SFT", "MetaAlign SFT + DPO")


@dataclass(frozen=True)
class Measured:
    """How one model did on one set of rows."""

    model: str
    seed: int
    set: str
    score: Score


def make_data(out: Path, *, small: bool) -> dict[str, int]:
    """Run the recipe, hold combinations out, and return rows by split."""
    command = [sys.executable, "-m", "metaalign_data", "run", str(DATA), "--out", str(out / "data")]
    if small:
        command += ["--set", "dataset.target=600"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return hold_out(out / "data" / "dataset", out / "dataset")


def train_and_score(run: Run, seed: int, out: Path, small: bool) -> list[Measured]:
    """Train one run in this process and score its models."""
    from metaalign_trainer.config import Config
    from metaalign_trainer.stages import train

    overrides = (f"seed={seed}", f"data.source={out / 'dataset'}", *run.overrides)
    if small:
        has_dpo = any(override.startswith("dpo.") for override in run.overrides)
        overrides += tuple(each for each in SMALL if has_dpo or not each.startswith("dpo."))
    folder = out / f"{run.name}-{seed}"
    train(Config.load(TRAINING, overrides), folder, quiet=True)
    sets = rows_by_set(out / "dataset")
    return [
        Measured(name, seed, rows_name, score)
        for name, model in run.models.items()
        for rows_name, score in scores(folder / model, sets, run.prompts)
    ]


def all_measured(out: Path, seeds: int, small: bool) -> Iterator[Measured]:
    """Every run of every seed, one in each process and one process for each core: faster than all cores on one run."""
    workers = os.cpu_count() or 1
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_one_thread) as pool:
        jobs = [pool.submit(train_and_score, run, seed, out, small) for run in RUNS for seed in range(seeds)]
        for job in jobs:
            yield from job.result()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def summed_up(measured: list[Measured]) -> dict[str, dict[str, dict[str, Any]]]:
    """By model and set: rows, and mean and range over the seeds of each share."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for model in MODELS:
        for rows in SETS:
            found = [asdict(each.score) for each in measured if (each.model, each.set) == (model, rows)]
            shares = {
                name: {
                    "mean": statistics.fmean(score[name] for score in found),
                    "least": min(score[name] for score in found),
                    "most": max(score[name] for score in found),
                }
                for name in ("pair_accuracy", "flip_accuracy", "flip_accuracy_per_token")
            }
            table.setdefault(model, {})[rows] = {"rows": found[0]["rows"], "flips": found[0]["flips"], **shares}
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few steps on few rows: whether everything works")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reproduce")
    args = parser.parse_args()
    out = args.out.resolve()
    started = time.monotonic()
    rows = make_data(out, small=args.small)
    data_s = time.monotonic() - started
    print(f"data: {rows}, {data_s:.0f} s")
    measured = list(all_measured(out, args.seeds, args.small))
    seconds = time.monotonic() - started
    table = summed_up(measured)
    print_table(table)
    print(f"{args.seeds} seeds, {seconds / 60:.1f} minutes in all")
    RESULTS.mkdir(exist_ok=True)
    name = "reproduce_small" if args.small else "reproduce"
    written = {
        "machine": machine("torch", "transformers"),
        "rows": rows,
        "seconds": {"data": round(data_s, 1), "all": round(seconds, 1)},
        "seeds": args.seeds,
        "table": table,
        "measured": [asdict(each) for each in measured],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=2) + "\n")
    plot(table, RESULTS / f"{name}.png")
    missed = [bar.told for bar in BARS if not bar.holds(table)]
    print("\n".join(f"not as expected: {told}" for told in missed) or "all as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
