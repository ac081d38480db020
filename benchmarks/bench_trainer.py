"""How fast the trainer trains, beside TRL in the same run: same model, data, precision, rows a step.

    python benchmarks/bench_trainer.py [--small] [--device cuda] [--dtype float32] [--repeats N]

SFT (TRL with packing) and DPO (TRL with its reference log-probabilities precomputed and not counted, ours computed and
counted) of a random Llama, each in a process of its own, in turn. Rates are per *unique* real token, each prompt once:
what TRL spends on padding and on the second copy of a prompt is not work that had to be done. On a CPU the model has
24 M parameters (--small: 0.6 M) and float32 weights; on a GPU a billion and bf16. The best of --repeats is taken.
`peak share` is of the fastest matrix product that this machine makes in that precision.

Writes results/bench_trainer.json. The bars: 1.8 times TRL for SFT, 3 times for DPO, at half of its memory at most.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine
from rich.console import Console
from rich.table import Table
from trainer_pairs import save

RESULTS = Path(__file__).parent / "results"
BARS = {"sft": 1.8, "dpo": 3.0}
JOB = Path(__file__).with_name("trainer_job.py")


def run(folder: Path, engine: str, objective: str, dtype: str, device: str) -> dict[str, Any]:
    options = ["--engine", engine, "--objective", objective, "--dtype", dtype, "--device", device]
    done = subprocess.run(
        [sys.executable, str(JOB), str(folder), *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{engine} {objective} failed: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["tokens_per_s"] = found["unique_tokens"] / (found["seconds"] + found["reference_seconds"])
    found["cores_used"] = found["cpu_seconds"] / found["seconds"]
    return found


def peak_flops(dtype: str, device: str) -> float:
    """The fastest of some matrix products, in operations a second."""
    import torch

    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    size = 8192 if device == "cuda" else 2048
    a, b = (torch.randn(size, size, dtype=kind, device=device) for _ in range(2))
    best_s = float("inf")
    for _ in range(8):
        started_s = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best_s = min(best_s, time.perf_counter() - started_s)
    return 2 * size**3 / best_s


def device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else device


def compared(
    folder: Path, objective: str, dtype: str, device: str, repeats: int, parameters: int
) -> list[dict[str, Any]]:
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "trl": []}
    for _ in range(repeats):
        for engine, found in runs.items():
            found.append(run(folder, engine, objective, dtype, device))
            print(json.dumps(found[-1]), flush=True)
    best = {engine: max(found, key=lambda each: each["tokens_per_s"]) for engine, found in runs.items()}
    peak = peak_flops(dtype, device)
    for each in best.values():
        each["times_trl"] = each["tokens_per_s"] / best["trl"]["tokens_per_s"]
        each["memory_of_trl"] = each["peak_mb"] / best["trl"]["peak_mb"]
        each["peak_share"] = 6 * parameters * each["unique_tokens"] / each["seconds"] / peak
    return list(best.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a model of 0.6 M parameters, few rows")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bf16"), help="one precision only (default: both; cuda: bf16)")
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    size = "1b" if args.device == "cuda" else "tiny" if args.small else "small"
    dtypes = (args.dtype,) if args.dtype else ("bf16",) if args.device == "cuda" else ("float32", "bf16")
    rows = {"tiny": 64, "small": 64, "1b": 512}[size]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        parameters = save(Path(folder), size, rows)
        for dtype in dtypes:
            for objective in BARS:
                results += compared(Path(folder), objective, dtype, args.device, args.repeats, parameters)
    shown(results)
    told = {"machine": machine("torch", "transformers", "trl"), "device": device_name(args.device)}
    told |= {"parameters": parameters}
    RESULTS.mkdir(exist_ok=True)
    name = "bench_trainer_small.json" if args.small else f"bench_trainer_{args.device}.json"
    (RESULTS / name).write_text(json.dumps(told | {"runs": results}, indent=1) + "\n", encoding="utf-8")


def shown(results: list[dict[str, Any]]) -> None:
    table = Table("what", "engine", "unique tokens/s", "times TRL", "bar", "peak MB", "of TRL's", "peak share", "cores")
    for each in results:
        table.add_row(
            f"{each['objective']} {each['dtype']}",
            each["engine"],
            f"{each['tokens_per_s']:,.0f}",
            f"{each['times_trl']:.2f}",
            f"{BARS[each['objective']]}" if each["engine"] == "ours" else "",
            f"{each['peak_mb']:,}",
            f"{each['memory_of_trl']:.2f}",
            f"{each['peak_share']:.0%}",
            f"{each['cores_used']:.2f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
