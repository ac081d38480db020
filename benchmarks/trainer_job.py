"""One training run, ours or TRL's, in a process of its own; prints one JSON line. Started by bench_trainer.py.

seconds, cpu_seconds   of the optimiser steps, the first left out, which also sets things up
unique_tokens          of those steps: each prompt once and both answers (SFT: one), which is all that the work needs
reference_seconds      our pass over the reference, for these rows; TRL's is not counted
peak_mb                resident memory, or memory of the GPU
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
ROWS_PER_STEP = {"cpu": 8, "cuda": 16}
PACKED_LENGTH, ROWS_OF_A_PACK = 1024, 4
"""What TRL packs for SFT: about four rows fit into such a pack."""


def ours(args: argparse.Namespace) -> dict[str, Any]:
    from metaalign_trainer import reference
    from metaalign_trainer.config import Config
    from metaalign_trainer.stages import train

    spent = {"reference": 0.0}
    computed = reference._computed

    def timed(*given: Any) -> Any:
        started_s = time.perf_counter()
        found = computed(*given)
        spent["reference"] = time.perf_counter() - started_s
        return found

    reference._computed = timed
    settings = {"epochs": 1, "rows_per_step": ROWS_PER_STEP[args.device], "learning_rate": 1e-4}
    settings |= {"schedule": "constant", "warmup": 0}
    config = Config.model_validate(
        {
            "name": "bench",
            "data": {"source": str(args.folder), "max_length": 1024},
            "model": {"path": str(args.folder / "model")},
            args.objective: settings,
            "precision": "bf16-mixed" if args.dtype == "bf16" else "float32",
            "checkpoint_every": 10_000,
        }
    )
    clock: list[float] = []
    watch_cpu(clock)
    with tempfile.TemporaryDirectory() as out:
        train(config, Path(out) / "run", quiet=True)
        lines = (Path(out) / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line) for line in lines][1:]
    return {
        "seconds": sum(step["seconds"] for step in steps),
        "cpu_seconds": clock[-1] - clock[0],
        "unique_tokens": sum(step["tokens"] for step in steps),
        "reference_seconds": spent["reference"] * len(steps) / (len(steps) + 1),
        "steps": len(steps),
    }


def watch_cpu(clock: list[float]) -> None:
    """Note the CPU time of this process after each optimiser step."""
    from torch.optim import AdamW

    step = AdamW.step

    def noted(self: Any, *given: Any, **named: Any) -> Any:
        done = step(self, *given, **named)
        clock.append(time.process_time())
        return done

    AdamW.step = noted  # type: ignore[method-assign]


def trl(args: argparse.Namespace) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.wall: list[float] = []
            self.cpu: list[float] = []

        def on_step_begin(self, *_args: Any, **_named: Any) -> None:
            self.started = time.perf_counter(), time.process_time()

        def on_step_end(self, *_args: Any, **_named: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.wall.append(time.perf_counter() - self.started[0])
            self.cpu.append(time.process_time() - self.started[1])

    clock = Clock()
    rows = [json.loads(line) for line in (args.folder / "pairs.jsonl").open(encoding="utf-8")]
    tokenizer = AutoTokenizer.from_pretrained(args.folder / "model")
    model = AutoModelForCausalLM.from_pretrained(args.folder / "model", dtype=torch.float32)
    common: dict[str, Any] = {
        "output_dir": tempfile.mkdtemp(), "per_device_train_batch_size": ROWS_PER_STEP[args.device],
        "num_train_epochs": 1, "learning_rate": 1e-4, "lr_scheduler_type": "constant", "use_cpu": args.device == "cpu",
        "bf16": args.dtype == "bf16", "report_to": "none", "save_strategy": "no", "logging_steps": 10_000,
        "disable_tqdm": True, "gradient_checkpointing": False, "max_length": 1024, "seed": 0,
    }  # fmt: skip
    if args.objective == "sft":
        packs = ROWS_PER_STEP[args.device] // ROWS_OF_A_PACK
        packing = {"packing": True, "per_device_train_batch_size": packs, "max_length": PACKED_LENGTH}
        data = Dataset.from_list([{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows])
        trainer: Any = SFTTrainer(
            model, args=SFTConfig(**common | packing), train_dataset=data, processing_class=tokenizer, callbacks=[clock]
        )
    else:
        data = Dataset.from_list([{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows])
        trainer = DPOTrainer(
            model,
            args=DPOConfig(**common, beta=0.1, precompute_ref_log_probs=True),
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[clock],
        )
    counted, collate = [], trainer.data_collator

    def counting(examples: Any) -> Any:
        batch = collate(examples)
        real = int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["input_ids"].numel()
        counted.append(real - (sum(len(each["prompt_ids"]) for each in examples) if args.objective == "dpo" else 0))
        return batch

    trainer.data_collator = counting
    trainer.train()
    return {
        "seconds": sum(clock.wall[1:]),
        "cpu_seconds": sum(clock.cpu[1:]),
        "unique_tokens": sum(counted[-len(clock.wall) :][1:]),
        "reference_seconds": 0.0,
        "steps": len(clock.wall) - 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=("ours", "trl"), required=True)
    parser.add_argument("--objective", choices=("sft", "dpo"), required=True)
    parser.add_argument("--dtype", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()
    found = {"ours": ours, "trl": trl}[args.engine](args)
    import torch

    on_gpu = args.device == "cuda"
    peak = (
        torch.cuda.max_memory_allocated() / 2**20
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )
    print(
        json.dumps(
            {"engine": args.engine, "objective": args.objective, "dtype": args.dtype, **found, "peak_mb": round(peak)}
        )
    )


if __name__ == "__main__":
    main()
