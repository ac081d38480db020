"""The paper's claims in miniature: does a small model follow preferences given at inference time, unseen ones included?

    python benchmarks/reproduce.py [--small] [--longer] [--sampled] [--seeds N] [--out DIR]        (make reproduce)

Data of the simulated teacher (recipes/reproduce.yaml), models from scratch (recipes/train-reproduce.yaml), and for each
seed four of them: static SFT and static SFT + DPO, which see no meta-prompt; MetaAlign SFT on half of the queries, and
MetaAlign SFT + DPO, which goes on from it on the pairs of the other half. --longer adds one stage that takes as much
time as these two; --sampled, two stages whose rejected responses are the first stage's own. All are scored on the same
rows; the table shows means over the seeds.
What the figures mean: docs/reproduce.md.

Writes results/reproduce.json and .png (--small: reproduce_small). A run that was stopped goes on where it was.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from claims import (
    BARS,
    LONGER,
    MODELS,
    ONE_STAGE,
    SAMPLED,
    SETS,
    STATIC_DPO,
    STATIC_SFT,
    TWO_STAGE,
    WITHOUT_CONFLICTS,
    plot,
    print_table,
)
from flip_scores import Score, rows_by_set, scores
from held_out_combinations import hold_out
from machine import machine

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DATA, TRAINING = ROOT / "recipes" / "reproduce.yaml", ROOT / "recipes" / "train-reproduce.yaml"
SEEDS = 3
DPO = (
    "dpo.rows_per_step=8",
    "dpo.tokens_at_once=4096",
    "dpo.learning_rate=1.0e-3",
    "dpo.schedule=linear",
    "dpo.beta=0.03",
)
DPO_STEPS = ("dpo.epochs=3", "dpo.max_steps=2300")
SECOND = ("data.where={subset: priority}", *DPO_STEPS)
"""The second stage is where conflicts are learnt, and these are the rows that hold them."""
AS_LONG = ("sft.epochs=2", "sft.max_steps=3200")
SMALL = {"sft": ("sft.max_steps=20",), "dpo": ("dpo.max_steps=5",)}
Models = dict[str, Path]


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


def longer(seed: int, out: Path, small: bool) -> Models:
    """What the second stage gains by time alone would show here."""
    return {LONGER: trained(out, f"longer-{seed}", (f"seed={seed}", *AS_LONG), small)}


def static(seed: int, out: Path, small: bool) -> Models:
    """Fewer steps than the others: its input is the same in both rows of a flip, and so is what it finds likelier."""
    overrides = (f"seed={seed}", "data.prompts=none", "data.limit=3000", "sft.epochs=1", "dpo.max_steps=200", *DPO)
    model = trained(out, f"static-{seed}", overrides, small)
    return {STATIC_SFT: model.parent / "sft" / "model", STATIC_DPO: model}


def two_stage(seed: int, out: Path, small: bool) -> Models:
    first, second = halves_of(out, seed)
    start = trained(out, f"first-stage-{seed}", (f"seed={seed}", f"data.source={first}"), small)
    model = ("model.new=null", f"model.path={start}", "sft=null")
    overrides = (f"seed={seed}", f"data.source={second}", *model, *SECOND, *DPO)
    return {ONE_STAGE: start, TWO_STAGE: trained(out, f"second-stage-{seed}", overrides, small)}


def sampled(seed: int, out: Path, small: bool) -> Models:
    how = ("two_stage.rejected=sampled", "two_stage.max_new_tokens=200", "two_stage.rows_at_once=128")
    return {SAMPLED: trained(out, f"sampled-{seed}", (f"seed={seed}", *how, *DPO_STEPS, *DPO), small)}


def trained(out: Path, name: str, overrides: tuple[str, ...], small: bool) -> Path:
    """The model of one training run: recipes/train-reproduce.yaml on the rows in `out`, changed by `overrides`."""
    from metaalign_trainer.config import Config
    from metaalign_trainer.stages import train

    chosen = (f"data.source={out / 'dataset'}", *overrides)
    if small:
        config = Config.load(TRAINING, chosen)
        chosen += tuple(each for stage in config.stages for each in SMALL[stage])
    train(Config.load(TRAINING, chosen), out / name, quiet=True)
    return out / name / "model"


def halves_of(out: Path, seed: int) -> tuple[Path, Path]:
    """Folders with the training rows of one half of the queries each."""
    from metaalign_trainer.data import load_rows
    from metaalign_trainer.rows import halves

    folders = (out / f"half-{seed}-1", out / f"half-{seed}-2")
    for folder, rows in zip(folders, halves(load_rows(str(out / "dataset"), "pairs", "train"), 0.5, seed), strict=True):
        (folder / "pairs").mkdir(parents=True, exist_ok=True)
        rows.to_parquet(str(folder / "pairs" / "train-00000-of-00001.parquet"))
    return folders


def train_and_score(kind: str, seed: int, out: Path, small: bool) -> list[Measured]:
    """Train the models of one kind and seed in this process, and score them."""
    models = RECIPES[kind](seed, out, small)
    sets = rows_by_set(out / "dataset")
    prompts = "none" if kind == "static" else "meta"
    return [
        Measured(name, seed, rows_name, score)
        for name, model in models.items()
        for rows_name, score in scores(model, sets, prompts)
    ]


RECIPES: dict[str, Callable[[int, Path, bool], Models]] = {
    "sampled": sampled,
    "two-stage": two_stage,
    "longer": longer,
    "static": static,
}
"""The longest first, so that no core waits for it at the end."""


def all_measured(out: Path, kinds: Sequence[str], seeds: int, small: bool) -> Iterator[Measured]:
    """Every kind of every seed, one in each process and one process for each core: faster than all cores on one run."""
    workers = os.cpu_count() or 1
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_set_up) as pool:
        jobs = [pool.submit(train_and_score, kind, seed, out, small) for kind in kinds for seed in range(seeds)]
        for job in jobs:
            yield from job.result()


def _set_up() -> None:
    import torch
    from datasets import disable_progress_bars

    torch.set_num_threads(1)
    disable_progress_bars()


def summed_up(measured: list[Measured]) -> dict[str, dict[str, dict[str, Any]]]:
    """By model and set: rows, and mean and range over the seeds of each share."""
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for model in MODELS:
        if not any(each.model == model for each in measured):
            continue
        for rows in (*SETS, *WITHOUT_CONFLICTS):
            found = [asdict(each.score) for each in measured if (each.model, each.set) == (model, rows)]
            shares = {
                name: {
                    "mean": statistics.fmean(score[name] for score in found),
                    "least": min(score[name] for score in found),
                    "most": max(score[name] for score in found),
                }
                for name in ("pair_accuracy", "flip_accuracy", "flip_accuracy_per_token", "leaning")
            }
            table.setdefault(model, {})[rows] = {"rows": found[0]["rows"], "flips": found[0]["flips"], **shares}
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few steps on few rows: whether everything works")
    parser.add_argument("--longer", action="store_true", help="also one stage for as long as two")
    parser.add_argument("--sampled", action="store_true", help="also DPO against the first stage's own responses")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reproduce")
    args = parser.parse_args()
    out = args.out.resolve()
    started = time.monotonic()
    rows = make_data(out, small=args.small)
    data_s = time.monotonic() - started
    print(f"data: {rows}, {data_s:.0f} s")
    left_out = {kind for kind in ("longer", "sampled") if not getattr(args, kind)}
    kinds = [kind for kind in RECIPES if kind not in left_out]
    measured = list(all_measured(out, kinds, args.seeds, args.small))
    seconds = time.monotonic() - started
    table = summed_up(measured)
    print_table(table)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = used.ru_utime + used.ru_stime
    print(f"{args.seeds} seeds, {seconds / 60:.1f} minutes in all, {cpu_s / 60:.1f} minutes of CPU")
    RESULTS.mkdir(exist_ok=True)
    name = "reproduce_small" if args.small else "reproduce"
    written = {
        "machine": machine("torch", "transformers"),
        "rows": rows,
        "seconds": {"data": round(data_s, 1), "all": round(seconds, 1), "cpu": round(cpu_s, 1)},
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
