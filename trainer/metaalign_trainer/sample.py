"""Answers of a model to prompts, drawn at random but the same in every run: each batch has a seed of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from metaalign_trainer.data import Example
from metaalign_trainer.errors import DataError
from metaalign_trainer.template import Renderer


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to the prompt of row `id`; `cut_off` when it had not come to an end."""

    id: str
    text: str
    cut_off: bool


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn: `temperature` 1 and `top_p` 1 take the model's own distribution, `temperature` 0 the
    likeliest token each time.
    """

    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int


@torch.no_grad()
def sample(
    model: Any, renderer: Renderer, batches: Sequence[tuple[int, Sequence[Example]]], how: Sampling
) -> Iterator[list[Answer]]:
    """One answer to each prompt, a batch at a time. A batch is its rows and a number, which decides what is drawn."""
    model.eval()
    for number, rows in batches:
        torch.manual_seed(how.seed * 1_000_003 + number)
        longest = max(len(row.prompt) for row in rows)
        pads = [longest - len(row.prompt) for row in rows]
        ids = [[renderer.pad_id] * pad + list(row.prompt) for pad, row in zip(pads, rows, strict=True)]
        mask = [[0] * pad + [1] * len(row.prompt) for pad, row in zip(pads, rows, strict=True)]
        drawn = model.generate(
            torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            **_drawn(how),
            max_new_tokens=room_for(how.max_new_tokens, longest, renderer),
            eos_token_id=renderer.end_id,
            pad_token_id=renderer.pad_id,
        )
        yield [_answer(row, ids[longest:], renderer) for row, ids in zip(rows, drawn.tolist(), strict=True)]


def _drawn(how: Sampling) -> dict[str, Any]:
    """As arguments of `generate`, whatever the model's own generation_config says."""
    if how.temperature == 0:
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    return {"do_sample": True, "temperature": how.temperature, "top_p": how.top_p, "top_k": 0}


def room_for(new_tokens: int, prompt_tokens: int, renderer: Renderer) -> int:
    """`new_tokens`, or as many as the context of the model leaves. Raises DataError where the prompt fills it."""
    if renderer.context is None:
        return new_tokens
    if prompt_tokens >= renderer.context:
        raise DataError(f"the prompt has {prompt_tokens} tokens, and the context of the model is {renderer.context}")
    return min(new_tokens, renderer.context - prompt_tokens)


def _answer(row: Example, ids: list[int], renderer: Renderer) -> Answer:
    ended = renderer.end_id in ids
    return Answer(row.id, renderer.text(ids[: ids.index(renderer.end_id)] if ended else ids), cut_off=not ended)
