"""Attention over a flat sequence, as a function that the models of transformers call."""

import inspect
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PretrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from metaalign_trainer.layout import Layout

NAME = "metaalign_flat"
_HALF = (torch.bfloat16, torch.float16)


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
    """What each branch sees: a prompt with its first answer itself, each further answer the prompt and itself.

    On a GPU, in half precision, all branches are one call; elsewhere each is a product of its own. `query` has shape
    (1, heads, tokens, width), `key` and `value` may have fewer heads; the result has shape (1, tokens, heads, width).
    Without a layout it is the plain attention of transformers, for whoever calls the model otherwise.
    """
    if layout is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
    if not dropout and _in_one_call(query):
        return _all_branches(query, key, value, layout, scaling), None
    if query.device.type != "cpu":
        return _branch_by_branch(query, key, value, layout, scaling, dropout), None
    with torch.autocast("cpu", enabled=False):  # a CPU takes ten times as long for its gradient in half precision
        q, k, v = (each.float() if each.dtype in _HALF else each for each in (query, key, value))
        return _branch_by_branch(q, k, v, layout, scaling, dropout).to(query.dtype), None


def _branch_by_branch(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, scaling: float | None, dropout: float
) -> Tensor:
    grouped = query.shape[1] != key.shape[1]
    # Split, not sliced: the gradient of each slice of a long sequence would be as long as the sequence.
    queries, keys, values = (iter(each.split(layout.lengths, dim=2)) for each in (query, key, value))
    done = []
    for row in layout.rows:
        first_key, first_value = next(keys), next(values)
        done.append(
            scaled_dot_product_attention(
                next(queries), first_key, first_value,
                dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped,
            )
        )  # fmt: skip
        length = row.prompt_end - row.start
        for begin, end in row.later_answers:
            seen_key = torch.cat([first_key[:, :, :length], next(keys)], dim=2)
            seen_value = torch.cat([first_value[:, :, :length], next(values)], dim=2)
            done.append(
                scaled_dot_product_attention(
                    next(queries), seen_key, seen_value,
                    attn_mask=layout.visible[length, end - begin],
                    dropout_p=dropout, scale=scaling, enable_gqa=grouped,
                )
            )  # fmt: skip
    return torch.cat(done, dim=2).transpose(1, 2)


def _all_branches(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scaling: float | None) -> Tensor:
    """Flash attention over sequences of different lengths: hundreds of small products would wait for their launches.

    Where a branch has more keys than queries, its last query stands at its last key: an answer sees all of its prompt.
    """
    from torch.nn.attention.varlen import varlen_attn

    heads, kind = query.shape[1], _half(query)
    branches = layout.branches
    q, k, v = (each[0].transpose(0, 1).to(kind) for each in (query, key, value))
    if branches.seen is not None:
        k, v = (each.index_select(0, branches.seen) for each in (k, v))
    k, v = (each.repeat_interleave(heads // each.shape[1], dim=1) for each in (k, v))
    longest = branches.longest_query, branches.longest_key
    found = varlen_attn(q, k, v, branches.query_ends, branches.key_ends, *longest, scale=scaling, window_size=(-1, 0))
    out: Tensor = found if isinstance(found, Tensor) else found[0]  # a pair only where more was asked for
    return out[None].to(query.dtype)


def _in_one_call(query: Tensor) -> bool:
    width = query.shape[-1]
    return query.is_cuda and _half(query) != torch.float32 and width % 8 == 0 and width <= 256 and _has_varlen()


def _half(query: Tensor) -> torch.dtype:
    """What products are computed in: autocast's type, which this call does not know of by itself."""
    kind = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else query.dtype
    return kind if kind in _HALF else torch.float32


@cache
def _has_varlen() -> bool:
    """From torch 2.11 on, on GPUs since Ampere."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return False
    return "window_size" in inspect.signature(varlen_attn).parameters and torch.cuda.get_device_capability() >= (8, 0)


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
