"""What a model answers to one question under several system messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch

from metaalign_trainer.data import Prompts, encode
from metaalign_trainer.model import model_in_use
from metaalign_trainer.sample import Sampling, room_for, sample
from metaalign_trainer.start import renderer_of
from metaalign_trainer.template import Message, Renderer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Answering:
    """`temperature` 0 takes the likeliest token each time."""

    model: "PreTrainedModel"
    renderer: Renderer
    max_new_tokens: int
    temperature: float
    seed: int

    @classmethod
    def load(cls, path: str, *, max_new_tokens: int, temperature: float, seed: int) -> Self:
        """Raises TrainerError where there is no model."""
        return cls(model_in_use(path), renderer_of(path), max_new_tokens, temperature, seed)

    def answers(self, systems: Sequence[str], question: str) -> list[str]:
        """One answer for each system message; "" asks without one."""
        return [self._answer(messages(system, question)) for system in systems]

    @torch.no_grad()
    def _answer(self, asked: Sequence[Message]) -> str:
        torch.manual_seed(self.seed)
        ids = torch.tensor([self.renderer.prompt(asked)], device=self.model.device)
        draw = {"do_sample": True, "temperature": self.temperature, "top_k": 0} if self.temperature > 0 else {}
        model: Any = self.model
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=room_for(self.max_new_tokens, ids.shape[1], self.renderer),
            eos_token_id=self.renderer.end_id,
            pad_token_id=self.renderer.pad_id,
            **draw or {"do_sample": False},
        )
        told = made[0, ids.shape[1] :].tolist()
        end = told.index(self.renderer.end_id) if self.renderer.end_id in told else len(told)
        return self.renderer.text(told[:end])


def answers_to(
    rows: Sequence[Mapping[str, Any]], path: str, how: Sampling, max_length: int, prompts: Prompts = "meta"
) -> dict[str, str]:
    """Row id -> what the model in `path` answers to the row's prompt. Rows whose prompt is too long are left out.

    `prompts`: "none" asks without the meta-prompt.
    """
    renderer = renderer_of(path)
    examples, _ = encode(rows, renderer, max_length=max_length, answers="chosen", prompts=prompts)
    model = model_in_use(path)
    batches = [(start, examples[start : start + ROWS_AT_ONCE]) for start in range(0, len(examples), ROWS_AT_ONCE)]
    return {answer.id: answer.text for batch in sample(model, renderer, batches, how) for answer in batch}


def messages(system: str, question: str) -> list[Message]:
    """A prompt as a dataset's row holds it."""
    asked: list[Message] = [{"role": "user", "content": question}]
    return [{"role": "system", "content": system}, *asked] if system else asked
