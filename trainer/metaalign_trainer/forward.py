"""Log-probabilities of answers: one flat forward pass, and the vocabulary only where there is a label."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from metaalign_trainer.attention import NAME, NO_MASK, takes_flat
from metaalign_trainer.data import Example
from metaalign_trainer.layout import Layout

LABELS_AT_ONCE = 1024
"""Rows of the vocabulary product that exist at one time: 1024 x 128,000 in float32 are half a gigabyte."""


def answer_logps(model: nn.Module, examples: Sequence[Example]) -> Tensor:
    """Log-probability of each answer, end token included, given its prompt: shape (rows, answers), float64, in nats.

    Every row has equally many answers. Gradients flow into `model`, in whose mode (train, eval) it is computed. Summed
    in float64: a sum of hundreds of float32 terms loses what two answers of a pair differ by.
    """
    logps, answer = token_logps(model, examples)
    total = torch.zeros(len(examples) * len(examples[0].answers), dtype=torch.float64, device=logps.device)
    return total.index_add(0, answer, logps.double()).view(len(examples), -1)


def token_logps(model: nn.Module, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Log-probability of each answer token, answers one after the other, and the number of its answer.

    Both have shape (labels,).
    """
    given: Any = model
    plain = given.get_base_model() if hasattr(given, "get_base_model") else given  # peft's wrapper aside
    device = next(plain.parameters()).device
    if takes_flat(plain.config):
        layout = Layout(examples, device)
        hidden = _flat_hidden(plain, layout)
        labels, answer = layout.labels, layout.answer
    else:
        hidden, labels, answer = _padded_hidden(plain, examples, device)
    return _vocabulary(plain, hidden, labels), answer


def _flat_hidden(model: Any, layout: Layout) -> Tensor:
    """Last hidden states of the tokens that predict a label: (labels, width)."""
    if model.config._attn_implementation != NAME:
        model.set_attn_implementation(NAME)
    body = model.base_model(
        input_ids=layout.ids,
        attention_mask=NO_MASK,
        position_ids=layout.positions,
        use_cache=False,
        layout=layout,
    )
    hidden: Tensor = body.last_hidden_state[0, layout.labelled]
    return hidden


def _padded_hidden(model: Any, examples: Sequence[Example], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The same for any model: each answer with its prompt in a row of its own, filled up on the right."""
    pairs = [(example.prompt, answer) for example in examples for answer in example.answers]
    longest = max(len(prompt) + len(answer) - 1 for prompt, answer in pairs)
    ids = torch.zeros(len(pairs), longest, dtype=torch.long)
    mask, labelled = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(pairs):
        length = len(prompt) + len(answer) - 1
        ids[row, :length] = torch.tensor([*prompt, *answer[:-1]])
        mask[row, :length] = 1
        labelled[row, len(prompt) - 1 : length] = True
    body = model.base_model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
    labels = torch.tensor([token for _, answer in pairs for token in answer], device=device)
    numbers = torch.tensor([number for number, (_, answer) in enumerate(pairs) for _ in answer], device=device)
    return body.last_hidden_state[labelled.to(device)], labels, numbers


def _vocabulary(model: Any, hidden: Tensor, labels: Tensor) -> Tensor:
    """log softmax of the vocabulary at each label, some at a time; going back, all but the last are computed again."""
    head, config = model.get_output_embeddings(), model.config
    scale = 1.0 / getattr(config, "logits_scaling", 1.0)  # Granite divides its logits
    cap = getattr(config, "final_logit_softcapping", None)

    def part(states: Tensor, wanted: Tensor) -> Tensor:
        logits = head(states) * scale if scale != 1.0 else head(states)
        if cap:
            logits = cap * torch.tanh(logits / cap)
        if logits.dtype != torch.float64:
            logits = logits.float()
        return -cross_entropy(logits, wanted, reduction="none")

    *parts, last = zip(hidden.split(LABELS_AT_ONCE), labels.split(LABELS_AT_ONCE), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([part(*each) for each in (*parts, last)])
    # Going back begins with the last part: to keep its logits until then takes no more memory than making them anew.
    return torch.cat([*(checkpoint(part, *each, use_reentrant=False) for each in parts), part(*last)])
