"""The trainer's numbers against float64 plain torch and against TRL, as written down in tests/support/golden."""

import pytest
import torch

from golden_batch import GOLDEN, TRUTH, examples, model, truth
from metaalign_trainer.forward import answer_logps
from metaalign_trainer.loss import dpo_sigmoid
from metaalign_trainer.objectives import Scorer, Sft


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((found.double() - expected) / expected).abs().max())


def test_the_tokens_are_those_of_trl() -> None:
    for example, told in zip(examples(), GOLDEN["tokens"], strict=True):
        assert list(example.prompt) == told["prompt_ids"]
        assert list(example.answers[0]) == told["chosen_ids"]
        assert list(example.answers[1]) == told["rejected_ids"]


@pytest.mark.parametrize(
    ("dtype", "logps", "loss", "gradient"), [(torch.float32, 1e-6, 1e-5, 1e-4), (torch.float64, 1e-12, 1e-12, 1e-7)]
)
def test_dpo_is_that_of_float64_one_sequence_at_a_time(
    dtype: torch.dtype, logps: float, loss: float, gradient: float
) -> None:
    policy, reference = model("policy", dtype), model("reference", dtype)
    found = answer_logps(policy, examples())
    with torch.no_grad():
        known = answer_logps(reference, examples())
    assert relative(found.detach(), truth("policy")) < logps
    assert relative(known, truth("reference")) < logps
    losses, rewards = dpo_sigmoid(found, known, GOLDEN["beta"])
    assert losses.tolist() == pytest.approx(TRUTH["dpo_loss_per_pair"], rel=loss)
    assert (rewards[:, 0] - rewards[:, 1]).tolist() == pytest.approx(TRUTH["margins"], rel=10 * loss)
    losses.mean().backward()
    norms = {name: float(weights.grad.norm()) for name, weights in policy.named_parameters()}
    assert norms == pytest.approx(TRUTH["grad_norm_by_parameter"], rel=gradient)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_sft_is_that_of_float64_over_the_labels_of_the_batch(dtype: torch.dtype, tolerance: float) -> None:
    rows, objective = examples("chosen"), Sft()
    loss, _ = objective(Scorer(model("policy", dtype)), rows)
    labels = sum(map(objective.units, rows))
    assert labels == TRUTH["sft_label_tokens"]
    assert float(loss) / labels == pytest.approx(TRUTH["sft_loss_completion_only"], rel=tolerance)


def test_trl_is_as_near_to_us_as_to_float64() -> None:
    told = GOLDEN["trl_float32"]["logps"]["policy"]
    trl = torch.tensor([told["chosen"], told["rejected"]], dtype=torch.float64).T
    with torch.no_grad():
        found = answer_logps(model("policy", torch.float32), examples())
    assert relative(found, trl) < 1e-6
