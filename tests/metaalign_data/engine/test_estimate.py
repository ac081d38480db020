"""Predictions against what the run then asks."""

from decimal import Decimal
from pathlib import Path

import pytest

from metaalign_data import run
from metaalign_data.engine.estimate import Figure, estimate
from metaalign_data.errors import UserError
from metaalign_data.recipe import Recipe

PRICE = {"input": 1, "output": 2}


def recipe(**blocks: object) -> Recipe:
    data = {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled", "limit": 30}, **blocks}
    return Recipe.from_dict(data)


def figures(of: Recipe, **options: int) -> dict[str, Figure]:
    return {figure.name: figure for figure in estimate(of, **options).figures}


def test_what_the_run_asks_lies_within_the_estimate(tmp_path: Path) -> None:
    priced = recipe(teacher={"provider": "simulated", "price": PRICE})
    told = figures(priced, sample=15)
    cost = run(priced, out=tmp_path / "run").manifest["cost"]
    asked = {"calls": cost["calls"], "prompt tokens": cost["prompt_tokens"], "USD": Decimal(cost["usd"])}
    for name, actual in asked.items():
        figure = told[name]
        assert figure.low * Decimal("0.9") <= actual <= figure.high * Decimal("1.1"), name
        assert figure.low <= figure.expected <= figure.high


def test_the_whole_set_tried_gives_the_calls_of_the_run(tmp_path: Path) -> None:
    small = recipe(queries={"source": "bundled", "limit": 5})
    result = run(small, out=tmp_path / "run")
    stages = result.manifest["this_time"]
    assert figures(small, sample=5)["calls"].expected == stages["asked"] + stages["replayed"]


def test_more_queries_cost_in_proportion() -> None:
    one, two = (figures(recipe(queries={"source": "bundled", "limit": n}), sample=10)["calls"] for n in (20, 40))
    assert two.expected == pytest.approx(2 * one.expected, abs=1)


def test_an_unknown_price_is_unknown_and_the_judge_has_its_own() -> None:
    teacher = {"model": "m", "base_url": "http://127.0.0.1:9", "price": PRICE}
    assert figures(recipe(teacher=teacher, judge={"model": "other"}))["USD"].expected is None
    dear = figures(recipe(teacher=teacher, judge={"model": "other", "price": {"input": 10, "output": 20}}))["USD"]
    cheap = figures(recipe(teacher=teacher))["USD"]
    assert dear.expected > 2 * cheap.expected > 0


def test_each_of_several_judges_costs_what_it_costs() -> None:
    dear = {"model": "dear", "price": {"input": 10, "output": 20}}
    teacher = {"model": "m", "base_url": "http://127.0.0.1:9", "price": {"input": 0, "output": 0}}
    one, both = (figures(recipe(teacher=teacher, judge=judge)) for judge in ([dear], [dear, dear | {"model": "other"}]))
    assert 1.5 < both["USD"].expected / one["USD"].expected < 2  # the first one checks preferences, too
    assert both["calls"].expected > one["calls"].expected


def test_queries_without_a_usable_one_are_told(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"text": ""}\n')
    with pytest.raises(UserError, match="no usable query"):
        estimate(recipe(queries={"source": str(tmp_path / "q.jsonl")}))
