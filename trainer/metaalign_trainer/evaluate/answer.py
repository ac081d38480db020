"""What a model answers to one question under several system messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from metaalign_trainer.data import Example
from metaalign_trainer.errors import DataError
from metaalign_trainer.model import model_in_use
from metaalign_trainer.progress import followed
from metaalign_trainer.sample import Sampling, sample
from metaalign_trainer.start import renderer_of
from metaalign_trainer.template import Message, Renderer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Answering:
    """A model that is asked one question after the other, each with the same draws."""

    model: "PreTrainedModel"
    renderer: Renderer
    how: Sampling

    @classmethod
    def load(cls, path: str, *, max_new_tokens: int, temperature: float, seed: int) -> Self:
        """Raises TrainerError where there is no model."""
        return cls(model_in_use(path), renderer_of(path), Sampling(temperature, 1.0, max_new_tokens, seed))

    def answers(self, systems: Sequence[str], question: str) -> list[str]:
        """One answer for each system message; "" asks without one. Raises DataError where one leaves no room for it."""
        return [self._answer(messages(system, question)) for system in systems]

    def _answer(self, asked: Sequence[Message]) -> str:
        row = Example("", tuple(self.renderer.prompt(asked)), ())
        [[answer]] = sample(self.model, self.renderer, [(0, [row])], self.how)
        return answer.text


def answers_to(asked: Mapping[str, Sequence[Message]], path: str, how: Sampling, max_length: int) -> dict[str, str]:
    """Name of a prompt -> what the model in `path` answers to it.

    Prompts that leave no room for an answer in `max_length` tokens or the model's context, and those that its template
    refuses, are left out.
    """
    renderer = renderer_of(path)
    longest = max_length if renderer.context is None else min(max_length, renderer.context)
    examples = []
    for name, prompt in asked.items():
        try:
            ids = tuple(renderer.prompt(prompt))
        except DataError:
            continue
        if len(ids) < longest:
            examples.append(Example(name, ids, ()))
    batches = [(start, examples[start : start + ROWS_AT_ONCE]) for start in range(0, len(examples), ROWS_AT_ONCE)]
    drawn = sample(model_in_use(path), renderer, batches, how)
    return {answer.id: answer.text for batch in followed(drawn, len(batches), "answering") for answer in batch}


def messages(system: str, question: str) -> list[Message]:
    """A prompt as a dataset's row holds it."""
    asked: list[Message] = [{"role": "user", "content": question}]
    return [{"role": "system", "content": system}, *asked] if system else asked
