"""The trained model as a folder that plain transformers (or peft) loads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig

from metaalign_trainer.config import LoraSettings
from metaalign_trainer.model import load_model
from metaalign_trainer.parallel import World, fill, whole_tensor
from metaalign_trainer.start import with_adapters
from metaalign_trainer.template import Renderer


def trained_weights(model: nn.Module, world: World) -> dict[str, Tensor]:
    """All that was trained, whole, on the CPU of the main process; {} in the others. All must call this together."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            whole = whole_tensor(parameter.detach())
            if world.is_main:
                found[name] = whole.cpu()
    return found


def save_model(
    start: str, weights: Mapping[str, Tensor], renderer: Renderer, lora: LoraSettings | None, folder: Path
) -> None:
    """The model of `start` with the trained `weights`, in the precision of `start`, its tokenizer and chat template.

    Adapters are merged into it, or, without `lora.merge`, saved alone.
    """
    model: Any = load_model(start, torch.float32)
    whole: Any = with_adapters(model, lora) if lora else model
    parameters = dict(model.named_parameters())
    for name, values in weights.items():
        fill(parameters[name], values)
    if lora and lora.merge:
        whole = whole.merge_and_unload()
    whole.to(AutoConfig.from_pretrained(start).dtype or torch.float32)
    _ends_at(model.generation_config, renderer.end_id)
    whole.save_pretrained(folder)
    renderer.tokenizer.save_pretrained(folder)


def _ends_at(generation: Any, end_id: int) -> None:
    """`generate` stops at the token that ends an answer, whatever the model's own ends were."""
    known = generation.eos_token_id
    ends = [known] if isinstance(known, int) else list(known or ())
    generation.eos_token_id = ends if end_id in ends else [*ends, end_id]
