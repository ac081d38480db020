"""What differs on a GPU: one call for all attention, products in bfloat16. `make test-gpu` runs it."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from golden_batch import plain_logps
from metaalign_trainer import attention
from metaalign_trainer.config import Config
from metaalign_trainer.data import Example
from metaalign_trainer.forward import answer_logps
from metaalign_trainer.stages import train

pytestmark = pytest.mark.gpu


def llama(kv_heads: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=500,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        max_position_embeddings=1024,
        initializer_range=0.06,
    )
    return LlamaForCausalLM(config).cuda()


def rows(answers: int, n: int = 9) -> list[Example]:
    rng = random.Random(1)

    def tokens(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.randrange(3, 500) for _ in range(rng.randint(low, high)))

    made = [Example(str(i), tokens(1, 200), tuple((*tokens(0, 150), 2) for _ in range(answers))) for i in range(n)]
    return [*made, Example("nothing but ends", tokens(5, 5), ((2,),) * answers)]


def measured(model: LlamaForCausalLM, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Log-probabilities as they are computed in training, and the gradient of their sum by token, in one vector."""
    model.zero_grad()
    with torch.autocast("cuda", torch.bfloat16):
        logps = answer_logps(model, examples)
    (logps.sum() / 1000).backward()
    gradient = torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])
    return logps.detach(), gradient


def branch_by_branch_is_refused(*_given: Any) -> None:
    raise AssertionError("a product for each branch")


@pytest.mark.parametrize("answers", [1, 2, 3])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_one_call_for_all_branches_gives_what_each_answer_has_alone(
    answers: int, kv_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, model = rows(answers), llama(kv_heads)
    expected = plain_logps(model, examples)
    (expected.sum() / 1000).backward()
    exact = torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])
    with monkeypatch.context() as patched:
        patched.setattr(attention, "_in_one_call", lambda _query: False)
        apart, apart_gradient = measured(model, examples)
    monkeypatch.setattr(attention, "_branch_by_branch", branch_by_branch_is_refused)
    together, gradient = measured(model, examples)

    def off(found: Tensor, true: Tensor) -> float:
        return float((found.double() - true.double()).norm() / true.double().norm())

    assert off(together, expected) < 2e-3
    assert off(together, expected) < 2 * off(apart, expected) + 1e-4
    assert off(gradient, exact) < 0.03
    assert off(gradient, exact) < 1.5 * off(apart_gradient, exact) + 1e-3


def test_float32_goes_branch_by_branch_and_is_exact() -> None:
    examples, model = rows(2), llama(2)
    torch.testing.assert_close(answer_logps(model, examples), plain_logps(model, examples), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("changes", [{}, {"gradient_checkpointing": True}, {"lora": {"rank": 4}}, {"compile": True}])
def test_both_stages_train_on_a_gpu_and_learn(changes: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data/pairs").mkdir(parents=True)
    pairs = [pair(i, wish) for i in range(40) for wish in ("short", "long")]
    pq.write_table(pa.Table.from_pylist(pairs), tmp_path / "data/pairs/train-00000-of-00001.parquet")
    stage = {"rows_per_step": 16, "epochs": 6, "learning_rate": 3e-3}
    config = Config.model_validate(
        {
            "name": "gpu",
            "data": {"source": str(tmp_path / "data"), "max_length": 256},
            "model": {"new": {"vocabulary": 320, "hidden": 64, "layers": 2, "heads": 2, "context": 256}},
            "sft": stage,
            "dpo": stage | {"learning_rate": 1e-3},
        }
        | changes
    )
    torch.cuda.reset_peak_memory_stats()
    train(config, tmp_path / "run", quiet=True)
    assert torch.cuda.max_memory_allocated() > 0
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    sft, dpo = ([line for line in lines if line["stage"] == stage] for stage in ("sft", "dpo"))
    assert sft[-1]["loss"] < sft[0]["loss"] / 2
    assert dpo[-1]["loss"] < dpo[0]["loss"]
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "run/model").num_parameters() > 0


def pair(i: int, wish: str) -> dict[str, Any]:
    answers = {"short": "Yes.", "long": "Yes, and there is a good deal more to be said about it."}
    system = f"<System Info>\nYou are an assistant.\n\n<User Info>\nI like {wish} answers."
    return {
        "id": f"row{i}{wish}",
        "prompt": [{"role": "system", "content": system}, {"role": "user", "content": f"Is {i} a number?"}],
        "chosen": [{"role": "assistant", "content": answers.pop(wish)}],
        "rejected": [{"role": "assistant", "content": next(iter(answers.values()))}],
    }
