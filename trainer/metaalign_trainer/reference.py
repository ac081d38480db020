"""Log-probabilities under the reference model, computed once and kept on disk."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from metaalign_trainer.data import Example
from metaalign_trainer.files import write_atomically
from metaalign_trainer.forward import answer_logps

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROWS_AT_ONCE = 16


@torch.no_grad()
def reference_logps(
    model: "PreTrainedModel", examples: Sequence[Example], folder: Path | None = None
) -> dict[str, tuple[float, float]]:
    """Row id -> log-probabilities of chosen and rejected, in nats, without dropout.

    With a `folder` they are kept there in one file for these weights and these tokens, and read back from it. The
    tokens stand for data, template and tokenizer: whatever changes one of these changes them.
    """
    path = folder / f"{_key(model, examples)}.json" if folder else None
    if path and path.exists():
        known: Mapping[str, Sequence[float]] = json.loads(path.read_text(encoding="utf-8"))
        return {row: (logps[0], logps[1]) for row, logps in known.items()}
    found = _computed(model, examples)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(found))
    return found


def _computed(model: "PreTrainedModel", examples: Sequence[Example]) -> dict[str, tuple[float, float]]:
    was_training = model.training
    model.eval()
    found = {}
    for start in range(0, len(examples), ROWS_AT_ONCE):
        rows = examples[start : start + ROWS_AT_ONCE]
        for row, logps in zip(rows, answer_logps(model, rows).tolist(), strict=True):
            found[row.id] = (logps[0], logps[1])
    model.train(was_training)
    return found


def _key(model: "PreTrainedModel", examples: Sequence[Example]) -> str:
    digest = hashlib.sha256(json.dumps(model.config.to_diff_dict(), sort_keys=True, default=str).encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().contiguous().view(torch.uint8).numpy())
    for example in examples:
        digest.update(repr((example.id, example.prompt, example.answers)).encode())
    return digest.hexdigest()[:32]
