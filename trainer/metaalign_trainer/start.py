"""What a stage starts from: a model, its tokenizer with a chat template, and what of it is trained."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel
from transformers.utils.peft_utils import find_adapter_config_file

from metaalign_trainer.config import Config, LoraSettings
from metaalign_trainer.errors import TrainerError
from metaalign_trainer.files import new_folder
from metaalign_trainer.model import new_model
from metaalign_trainer.rows import read_rows, texts
from metaalign_trainer.template import Renderer
from metaalign_trainer.vocabulary import train_tokenizer


def make_start(config: Config, folder: Path) -> None:
    """Write a model from scratch, with a tokenizer of the training rows' texts, into `folder` unless it is there."""
    if config.model.new is None or folder.exists():
        return
    renderer = Renderer(train_tokenizer(texts(read_rows(config, config.data.split)), config.model.new.vocabulary))
    torch.manual_seed(config.seed)
    with new_folder(folder) as scratch:
        new_model(config.model.new, renderer).save_pretrained(scratch)
        renderer.tokenizer.save_pretrained(scratch)


def renderer_of(path: str) -> Renderer:
    """Of a model's own tokenizer, which knows the model's context. Raises TrainerError where there is none."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as e:
        place = "" if Path(path).exists() else "there is no such folder here, and from the Hub "
        raise TrainerError(f"{path}: {place}its tokenizer cannot be loaded: {str(e).splitlines()[0]}") from e
    return Renderer(tokenizer, _context_of(path))


def _context_of(path: str) -> int | None:
    """Positions that the model was made for; beyond them it fails, or rambles. None where it sets no bound."""
    if find_adapter_config_file(path):
        from peft import PeftConfig

        path = str(PeftConfig.from_pretrained(path).base_model_name_or_path)
    config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def dtype_of(config: Config, device: torch.device) -> tuple[torch.dtype, bool]:
    """Of the weights, and whether products are in bfloat16 where those are in float32."""
    mixed = config.precision == "bf16-mixed" or (config.precision == "auto" and device.type == "cuda")
    return (torch.bfloat16 if config.precision == "bf16" else torch.float32), mixed


def with_adapters(model: PreTrainedModel, lora: LoraSettings) -> Any:
    """Adapters inside `model`, the only weights that are trained from here on; returns the peft model around it."""
    from peft import LoraConfig, get_peft_model

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )
    return get_peft_model(model, config)
