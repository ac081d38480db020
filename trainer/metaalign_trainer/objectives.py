"""What a stage minimises, over some rows at a time: sums, so that any division into passes gives the same gradient."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from metaalign_trainer.config import DpoSettings
from metaalign_trainer.data import Example
from metaalign_trainer.forward import answer_logps
from metaalign_trainer.loss import dpo_length_normalised, dpo_sigmoid, ipo


class Scorer(nn.Module):
    """Log-probabilities of answers as the forward pass of a module, which FSDP gathers weights around."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, examples: Sequence[Example]) -> Tensor:
        return answer_logps(self.model, examples).clone()  # FSDP hangs its hook on what is no view of something else


class Objective(Protocol):
    """`figures` and `held_out_figures` name what is measured beside the loss, row by row, on either kind of rows."""

    figures: tuple[str, ...]
    held_out_figures: tuple[str, ...]

    def units(self, example: Example) -> int:
        """What the loss is a mean over: labels for SFT, pairs for DPO."""
        ...

    def __call__(self, scorer: nn.Module, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """The loss, summed over units (a scalar with a gradient), and the sums of `figures` over rows (a vector)."""
        ...


class Sft:
    """Cross-entropy of the chosen answers, a mean over their tokens; the prompt is not learnt.

    With `held_out_pairs`, held-out rows have two answers: accuracy is how often the chosen one is the likelier.
    """

    figures: tuple[str, ...] = ()

    def __init__(self, *, held_out_pairs: bool = False) -> None:
        self.held_out_figures: tuple[str, ...] = ("accuracy",) if held_out_pairs else ()

    def units(self, example: Example) -> int:
        return len(example.answers[0])

    def __call__(self, scorer: nn.Module, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        logps = scorer(examples)
        loss = -logps[:, 0].sum()
        if logps.shape[1] == 1:
            return loss, torch.zeros(0, device=logps.device)
        return loss, (logps[:, 0] > logps[:, 1]).double().sum().reshape(1)


class Dpo:
    """Preference optimisation. `references`: row id -> log-probabilities of chosen and rejected, summed over tokens."""

    figures: tuple[str, ...] = ("accuracy", "ties", "margin", "chosen_reward", "rejected_reward")
    held_out_figures = figures

    def __init__(self, settings: DpoSettings, references: Mapping[str, tuple[float, float]]) -> None:
        self.settings, self.references = settings, references

    def units(self, example: Example) -> int:
        return 1

    def __call__(self, scorer: nn.Module, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        logps = scorer(examples)
        known = [self.references[example.id] for example in examples]
        references = torch.tensor(known, dtype=torch.float64, device=logps.device)
        losses, rewards = self._losses(logps, references, examples)
        chosen, rejected = rewards.unbind(1)
        margins = chosen - rejected
        figures = ((margins > 0).double(), (margins == 0).double(), margins, chosen, rejected)
        return losses.sum(), torch.stack([figure.double().sum() for figure in figures])

    def _losses(self, logps: Tensor, references: Tensor, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        settings = self.settings
        if settings.loss == "sigmoid":
            return dpo_sigmoid(logps, references, settings.beta, settings.label_smoothing)
        lengths = torch.tensor([[*map(len, example.answers)] for example in examples], device=logps.device)
        if settings.loss == "ipo":
            return ipo(logps, references, settings.beta, lengths)
        return dpo_length_normalised(logps, references, settings.beta, lengths, settings.label_smoothing)
