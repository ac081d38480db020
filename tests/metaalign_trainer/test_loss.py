import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metaalign_trainer.loss import dpo_length_normalised, dpo_sigmoid, ipo

nats = st.floats(-500, 0)
POLICY = torch.tensor([[-10.0, -12.0], [-30.0, -5.0]], dtype=torch.float64)
REFERENCE = torch.tensor([[-11.0, -11.0], [-20.0, -20.0]], dtype=torch.float64)
LENGTHS = torch.tensor([[5, 4], [10, 2]])


def test_dpo_by_hand() -> None:
    losses, rewards = dpo_sigmoid(POLICY, REFERENCE, beta=0.5)
    assert rewards.tolist() == [[0.5, -0.5], [-5.0, 7.5]]
    assert losses.tolist() == pytest.approx([math.log1p(math.exp(-1.0)), math.log1p(math.exp(12.5))])


def test_smoothing_takes_a_share_of_the_pairs_for_turned_round() -> None:
    plain, turned = dpo_sigmoid(POLICY, REFERENCE, 0.5)[0], dpo_sigmoid(POLICY.flip(1), REFERENCE.flip(1), 0.5)[0]
    smoothed = dpo_sigmoid(POLICY, REFERENCE, 0.5, label_smoothing=0.2)[0]
    assert smoothed.tolist() == pytest.approx((0.8 * plain + 0.2 * turned).tolist())


def test_ipo_by_hand() -> None:
    losses, rewards = ipo(POLICY, REFERENCE, beta=0.1, lengths=LENGTHS)
    assert losses.tolist() == pytest.approx([(0.2 + 0.25 - 5) ** 2, (-1 - 7.5 - 5) ** 2])
    assert rewards.flatten().tolist() == pytest.approx([0.02, -0.025, -0.1, 0.75])


def test_the_length_normalised_loss_is_dpo_of_means() -> None:
    losses, _ = dpo_length_normalised(POLICY, REFERENCE, 2.0, LENGTHS)
    assert losses[0].item() == pytest.approx(math.log1p(math.exp(-2.0 * (0.2 + 0.25))))
    ones = torch.ones_like(LENGTHS)
    assert dpo_length_normalised(POLICY, REFERENCE, 2.0, ones)[0].equal(dpo_sigmoid(POLICY, REFERENCE, 2.0)[0])


@given(nats, nats, nats, nats, st.floats(0.01, 1.0))
def test_what_both_answers_gain_changes_no_loss(
    a: float, b: float, shift: float, reference: float, beta: float
) -> None:
    policy = torch.tensor([[a, b]], dtype=torch.float64)
    known = torch.full((1, 2), reference, dtype=torch.float64)
    first, second = dpo_sigmoid(policy, known, beta)[0], dpo_sigmoid(policy + shift, known, beta)[0]
    assert first.item() == pytest.approx(second.item(), abs=1e-9)
    assert first.item() >= 0


def test_rewards_carry_no_gradient() -> None:
    policy = POLICY.clone().requires_grad_()
    losses, rewards = dpo_sigmoid(policy, REFERENCE, 0.1)
    assert losses.requires_grad
    assert not rewards.requires_grad
