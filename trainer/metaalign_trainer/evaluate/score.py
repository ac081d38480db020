"""How likely a model finds the answers of a row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from metaalign_trainer.data import Example, Prompts, Rejected, encode, length
from metaalign_trainer.forward import answer_logps
from metaalign_trainer.plan import passes
from metaalign_trainer.progress import followed
from metaalign_trainer.template import Renderer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS_AT_ONCE = 8192

Measure = Literal["sum", "mean", "reward"]
"""sum: log-probability of an answer; mean: per token; reward: sum less the reference's, DPO's reward over beta."""


@dataclass(frozen=True)
class Scorer:
    """A model as a judge of answers. `prompts`: "none" shows it no meta-prompt, as a static model was trained."""

    model: "PreTrainedModel"
    renderer: Renderer
    max_length: int
    prompts: Prompts = "meta"
    reference: "PreTrainedModel | None" = None

    def leads(self, rows: Iterable[Mapping[str, Any]], measure: Measure) -> tuple[dict[str, float], list[Rejected]]:
        """Row id -> by how much the chosen answer is ahead of the rejected one, in nats, and the rows that cannot be
        scored.
        """
        examples, rejected = encode(
            rows, self.renderer, max_length=self.max_length, answers="both", prompts=self.prompts
        )
        scores = self.scores(examples, measure)
        return {row: chosen - other for row, (chosen, other) in scores.items()}, rejected

    def scores(self, examples: Sequence[Example], measure: Measure) -> dict[str, list[float]]:
        """Row id -> the score of each of its answers. Raises ValueError for rewards without a reference."""
        if measure == "reward":
            if self.reference is None:
                raise ValueError("a reward is measured against a reference model")
            ours, theirs = logps_of(self.model, examples), logps_of(self.reference, examples)
            return {row: [a - b for a, b in zip(logps, theirs[row], strict=True)] for row, logps in ours.items()}
        logps = logps_of(self.model, examples)
        if measure == "sum":
            return logps
        lengths = {example.id: [*map(len, example.answers)] for example in examples}
        return {row: [x / n for x, n in zip(of_row, lengths[row], strict=True)] for row, of_row in logps.items()}


@torch.no_grad()
def logps_of(model: "PreTrainedModel", examples: Sequence[Example]) -> dict[str, list[float]]:
    """Row id -> log-probability of each answer, in nats, without dropout. Rows may have any number of answers."""
    model.eval()
    found: dict[str, list[float]] = {}
    by_answers: dict[int, list[Example]] = {}
    for example in examples:
        by_answers.setdefault(len(example.answers), []).append(example)
    batches = [
        [alike[i] for i in part]
        for alike in by_answers.values()
        for part in passes([*map(length, alike)], TOKENS_AT_ONCE)
    ]
    for batch in followed(batches, len(batches), "scoring"):
        for example, logps in zip(batch, answer_logps(model, batch).tolist(), strict=True):
            found[example.id] = logps
    return found
