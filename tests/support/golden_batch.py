"""The golden numbers of golden/, and small random models of other kinds to hold the flat layout against."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from metaalign_trainer.data import Example, encode
from metaalign_trainer.template import Renderer

FOLDER = Path(__file__).parent / "golden"
GOLDEN: dict[str, Any] = json.loads((FOLDER / "golden.json").read_text())
TRUTH: dict[str, Any] = GOLDEN["torch_float64"]


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "batch.json").read_text())
    return found


def renderer() -> Renderer:
    return Renderer(AutoTokenizer.from_pretrained(FOLDER / "policy"))


def examples(answers: Any = "both") -> list[Example]:
    made, rejected = encode(rows(), renderer(), max_length=2048, answers=answers)
    assert not rejected
    return made


def model(name: str, dtype: torch.dtype) -> Any:
    return AutoModelForCausalLM.from_pretrained(FOLDER / name, dtype=dtype)


def truth(name: str) -> torch.Tensor:
    """Log-probabilities of chosen and rejected under "policy" or "reference", shape (4, 2)."""
    logps = TRUTH["logps"][name]
    return torch.tensor([logps["chosen"], logps["rejected"]], dtype=torch.float64).T


def plain_logps(model: Any, examples: list[Example]) -> torch.Tensor:
    """Log-probabilities of all answers by the model's own forward pass, one unpadded sequence at a time."""
    found = []
    for example in examples:
        for answer in example.answers:
            ids = torch.tensor([[*example.prompt, *answer]], device=model.device)
            logits = model(input_ids=ids).logits[0, len(example.prompt) - 1 : -1].double().log_softmax(-1)
            found.append(logits.gather(-1, ids[0, len(example.prompt) :, None]).sum())
    return torch.stack(found).view(len(examples), -1)
