from typing import Any

import pytest
import torch

from golden_batch import examples, model, plain_logps, renderer, rows, truth
from metaalign_trainer.data import Example
from metaalign_trainer.evaluate.score import Scorer, logps_of


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(model("policy", torch.float64), renderer(), 2048, "meta", model("reference", torch.float64))


def test_leads_are_differences_of_log_probabilities(scorer: Scorer) -> None:
    leads, rejected = scorer.leads(rows(), "sum")
    assert rejected == []
    expected = truth("policy")
    assert [leads[row["id"]] for row in rows()] == pytest.approx((expected[:, 0] - expected[:, 1]).tolist(), rel=1e-9)


def test_means_are_per_token_and_rewards_over_the_reference(scorer: Scorer) -> None:
    expected = truth("policy") - truth("reference")
    rewards, _ = scorer.leads(rows(), "reward")
    assert [rewards[row["id"]] for row in rows()] == pytest.approx((expected[:, 0] - expected[:, 1]).tolist(), rel=1e-6)
    means, _ = scorer.leads(rows(), "mean")
    lengths = torch.tensor([[*map(len, example.answers)] for example in examples()])
    of_tokens = truth("policy") / lengths
    assert [means[row["id"]] for row in rows()] == pytest.approx((of_tokens[:, 0] - of_tokens[:, 1]).tolist(), rel=1e-9)


def test_rows_that_are_too_long_are_told() -> None:
    leads, rejected = Scorer(model("policy", torch.float64), renderer(), 300).leads(rows(), "sum")
    assert len(leads) + len(rejected) == 4
    assert {each.reason for each in rejected} == {"too_long"}


def test_rows_may_have_any_number_of_answers() -> None:
    given: list[Any] = [
        Example("two", (5, 6), ((7, 2), (8, 9, 2))),
        Example("four", (5,), ((7, 2), (8, 2), (9, 2), (2,))),
    ]
    own = model("policy", torch.float64)
    found = logps_of(own, given)
    for example in given:
        assert found[example.id] == pytest.approx(plain_logps(own, [example])[0].tolist(), rel=1e-9)
