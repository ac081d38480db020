"""Attention over a flat sequence, as a function that the models of transformers call."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PretrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from metaalign_trainer.layout import Layout

NAME = "metaalign_flat"


def flat_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Layout | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, Any]:
    """One product a branch: a prompt with its first answer, then each further answer with the prompt.

    `query` has shape (1, heads, tokens, width), `key` and `value` may have fewer heads; the result has shape
    (1, tokens, heads, width). Without a layout it is the plain attention of transformers, for whoever calls the model
    otherwise.
    """
    if layout is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
    grouped = query.shape[1] != key.shape[1]
    done = []
    for row in layout.rows:
        own = slice(row.start, row.answers[0][1] if row.answers else row.prompt_end)
        done.append(
            scaled_dot_product_attention(
                query[:, :, own], key[:, :, own], value[:, :, own],
                dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped,
            )
        )  # fmt: skip
        prompt = slice(row.start, row.prompt_end)
        for begin, end in row.answers[1:]:
            if begin == end:
                continue
            own = slice(begin, end)
            seen_key, seen_value = (torch.cat([each[:, :, prompt], each[:, :, own]], dim=2) for each in (key, value))
            mask = layout.visible[row.prompt_end - row.start, end - begin]
            done.append(
                scaled_dot_product_attention(
                    query[:, :, own], seen_key, seen_value,
                    attn_mask=mask, dropout_p=dropout, scale=scaling, enable_gqa=grouped,
                )
            )  # fmt: skip
    return torch.cat(done, dim=2).transpose(1, 2), None


AttentionInterface.register(NAME, flat_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)

NO_MASK = torch.ones(1, 1, 1, 1)
"""What a flat pass gives for a mask, so that none is made: masks of four dimensions are taken as they are."""


def takes_flat(config: PretrainedConfig) -> bool:
    """Whether every layer of a model attends to all that came before and takes its attention from outside.

    Sliding windows, recurrent layers, biases by distance, attention sinks and soft caps do not go through
    `flat_attention`.
    """
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return kinds == {"full_attention"} and not windowed and config.model_type in FLAT


FLAT = frozenset({"llama", "mistral", "qwen2", "qwen3", "gemma", "phi3", "smollm3", "olmo2", "granite", "gpt_neox"})
"""Kinds of models for which the flat layout was held against plain forward passes (tests/metaalign_trainer)."""
