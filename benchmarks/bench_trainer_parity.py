"""How near the trainer's numbers are to TRL's and to float64 plain torch, on the golden batch of the tests.

    python benchmarks/bench_trainer_parity.py

Log-probabilities of each answer, the SFT loss, the DPO loss and the gradient of each parameter, in float32: ours and
TRL's, computed here and now, against one unpadded sequence at a time in float64. Relative differences, the largest of
each kind. Writes results/bench_trainer_parity.json. The bar: 1e-5.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

import torch
from machine import machine
from rich.console import Console
from rich.table import Table

from golden_batch import FOLDER, GOLDEN, TRUTH, examples, model, plain_logps, rows, truth
from metaalign_trainer.forward import answer_logps
from metaalign_trainer.loss import dpo_sigmoid
from metaalign_trainer.objectives import Scorer, Sft

RESULTS = Path(__file__).parent / "results"
BAR = 1e-5

Gradients = dict[str, torch.Tensor]


def gradients(of: Any) -> Gradients:
    return {name: weights.grad.double() for name, weights in of.named_parameters()}


def in_float64() -> tuple[float, Gradients]:
    """The DPO loss and its gradient by plain forward passes."""
    policy, reference = model("policy", torch.float64), model("reference", torch.float64)
    with torch.no_grad():
        known = plain_logps(reference, examples())
    loss = dpo_sigmoid(plain_logps(policy, examples()), known, GOLDEN["beta"])[0].mean()
    loss.backward()
    return loss.item(), gradients(policy)


def ours() -> dict[str, Any]:
    policy, reference = model("policy", torch.float32), model("reference", torch.float32)
    with torch.no_grad():
        known = answer_logps(reference, examples())
    logps = answer_logps(policy, examples())
    loss = dpo_sigmoid(logps, known, GOLDEN["beta"])[0].mean()
    loss.backward()
    objective, chosen = Sft(), examples("chosen")
    sft = objective(Scorer(model("policy", torch.float32)), chosen)[0].item() / sum(map(objective.units, chosen))
    return {"logps": logps.detach(), "dpo": loss.item(), "sft": sft, "gradients": gradients(policy)}


def trl() -> dict[str, Any]:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER / "policy")
    common: dict[str, Any] = {
        "output_dir": tempfile.mkdtemp(), "per_device_train_batch_size": 4, "use_cpu": True, "bf16": False,
        "report_to": "none", "gradient_checkpointing": False, "disable_tqdm": True, "max_length": None,
    }  # fmt: skip
    data = Dataset.from_list([{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows()])
    dpo: Any = DPOTrainer(
        model("policy", torch.float32),
        ref_model=model("reference", torch.float32),
        args=DPOConfig(**common, beta=GOLDEN["beta"]),
        train_dataset=data,
        processing_class=tokenizer,
    )
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    batch = dpo.data_collator([{name: dpo.train_dataset[i][name] for name in names} for i in range(4)])
    logps = torch.stack(dpo.compute_ref_log_probs(dpo.model, {k: v.clone() for k, v in batch.items()}), dim=1)
    dpo.model.train()
    dpo.model.zero_grad()
    loss = dpo.compute_loss(dpo.model, {k: v.clone() for k, v in batch.items()})
    loss.backward()
    told = Dataset.from_list([{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows()])
    sft: Any = SFTTrainer(
        model("policy", torch.float32), args=SFTConfig(**common), train_dataset=told, processing_class=tokenizer
    )
    sft_loss = sft.compute_loss(sft.model, dict(sft.data_collator([sft.train_dataset[i] for i in range(4)]))).item()
    return {"logps": logps.detach(), "dpo": loss.item(), "sft": sft_loss, "gradients": gradients(dpo.model)}


def differences(found: dict[str, Any], dpo: float, exact: Gradients) -> dict[str, float]:
    expected = truth("policy")
    return {
        "log-probabilities": float(((found["logps"].double() - expected) / expected).abs().max()),
        "SFT loss": abs(found["sft"] / TRUTH["sft_loss_completion_only"] - 1),
        "DPO loss": abs(found["dpo"] / dpo - 1),
        "gradients": max(float((found["gradients"][name] - exact[name]).norm() / exact[name].norm()) for name in exact),
    }


def main() -> None:
    dpo, exact = in_float64()
    engines = {"ours": ours(), "trl": trl()}
    told = {engine: differences(found, dpo, exact) for engine, found in engines.items()}
    between = float((engines["ours"]["logps"].double() - engines["trl"]["logps"].double()).abs().max())
    table = Table("relative difference to float64", *told, "bar")
    for what in told["ours"]:
        table.add_row(what, *(f"{each[what]:.1e}" for each in told.values()), f"{BAR:.0e}")
    Console().print(table)
    print(f"largest difference of ours to TRL's log-probabilities: {between:.1e} nats")
    results = {"machine": machine("torch", "transformers", "trl"), "differences": told, "ours_to_trl_nats": between}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bench_trainer_parity.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
