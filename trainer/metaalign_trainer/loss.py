"""The preference losses, as pure functions of summed log-probabilities.

Throughout, `policy` and `reference` have shape (pairs, 2), chosen first: log-probabilities of whole answers, summed
over their tokens, in nats. Each loss returns (losses, rewards): losses of shape (pairs,), and the implicit rewards of
chosen and rejected, beta times (log pi - log ref), of shape (pairs, 2) and without gradient.
"""

from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo_sigmoid(policy: Tensor, reference: Tensor, beta: float, label_smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """-log sigmoid(beta * margin): Rafailov et al. 2023 (arXiv 2305.18290), eq. 7.

    `label_smoothing`, 0 to 1/2, is the share of pairs taken to be labelled wrongly: Mitchell 2023, "A note on DPO with
    noisy preferences", eq. 3.
    """
    rewards = beta * (policy - reference)
    margin = rewards[:, 0] - rewards[:, 1]
    losses = -(1 - label_smoothing) * logsigmoid(margin) - label_smoothing * logsigmoid(-margin)
    return losses, rewards.detach()


def ipo(policy: Tensor, reference: Tensor, beta: float, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """(margin of mean log-ratios - 1 / (2 beta))^2: Azar et al. 2023 (arXiv 2310.12036), eq. 17.

    Means over the answer's `lengths` in tokens, shape (pairs, 2), as the authors advise: sums grow with length, and the
    target 1 / (2 beta) does not.
    """
    ratios = (policy - reference) / lengths
    losses = (ratios[:, 0] - ratios[:, 1] - 1 / (2 * beta)) ** 2
    return losses, (beta * ratios).detach()


def dpo_length_normalised(
    policy: Tensor, reference: Tensor, beta: float, lengths: Tensor, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """DPO of mean instead of summed log-ratios: length-normalised DPO, Lambert et al. 2024 (Tulu 3, arXiv 2411.15124).

    `lengths` in tokens, shape (pairs, 2). beta is larger than DPO's by about an answer's length.
    """
    return dpo_sigmoid(policy / lengths, reference / lengths, beta, label_smoothing)
