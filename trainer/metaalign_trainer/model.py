"""Models, from a folder or the Hub, or from scratch."""

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from metaalign_trainer.config import NewModel
from metaalign_trainer.errors import TrainerError
from metaalign_trainer.template import Renderer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_model(path: str, dtype: torch.dtype | Literal["auto"]) -> "PreTrainedModel":
    """A causal language model from safetensors; no code of the model's own is run. Raises TrainerError."""
    from transformers import AutoModelForCausalLM

    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as e:
        said = next(iter(str(e).splitlines()), type(e).__name__)
        raise TrainerError(f"{path}: the model cannot be loaded: {said}") from e
    return model


def model_in_use(path: str) -> "PreTrainedModel":
    """A model that is asked and no longer trained: on the GPU in the type that it was saved in, on a CPU in float32."""
    gpu = torch.cuda.is_available()
    model: Any = load_model(path, "auto" if gpu else torch.float32)
    in_use: PreTrainedModel = model.to("cuda" if gpu else "cpu").eval()
    return in_use


def without_dropout(model: "PreTrainedModel") -> None:
    """Switch off all dropout, in place: a policy with it is no longer what its reference was before training."""
    module: Any
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "attention_dropout") and not isinstance(module.attention_dropout, nn.Module):
            module.attention_dropout = 0.0


def new_model(sizes: NewModel, renderer: Renderer) -> "PreTrainedModel":
    """A Llama with random weights by torch's seed for the tokenizer of `renderer`; embedding and head are shared."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = renderer.tokenizer
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=sizes.hidden,
            intermediate_size=sizes.intermediate or round(sizes.hidden * 8 / 3 / 32) * 32,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.kv_heads or sizes.heads,
            max_position_embeddings=sizes.context,
            tie_word_embeddings=True,
            initializer_range=sizes.hidden**-0.5,  # the usual 0.02 is for widths of thousands
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=renderer.end_id,
            pad_token_id=renderer.pad_id,
        )
    )
