"""Predictions against what the run then asks."""

from decimal import Decimal
from pathlib import Path

import pytest

from counting_server import counting_server
from metaalign_data import run
from metaalign_data.engine.estimate import Figure, estimate
from metaalign_data.errors import UserError
from metaalign_data.recipe import Recipe

PRICE = {"input": 1, "output": 2}


def recipe(**blocks: object) -> Recipe:
    data = {"name": "r", "teacher": {"provider": "simulated"}, "queries": {"source": "bundled", "limit": 30}, **blocks}
    return Recipe.from_dict(data)


def figures(of: Recipe, sample: int = 5) -> dict[str, Figure]:
    return {figure.name: figure for figure in estimate(of, sample=sample).figures}


def priced(of: Recipe) -> Recipe:
    """The recipe with simulated models that cost something."""
    price = recipe(teacher={"provider": "simulated", "price": PRICE}).teacher.price
    simulated = of.simulated()
    judges = tuple(judge.model_copy(update={"price": price}) for judge in simulated.judges)
    teachers = tuple(teacher.model_copy(update={"price": price}) for teacher in simulated.teachers)
    return simulated.model_copy(update={"teachers": teachers, "judges": judges})


@pytest.mark.parametrize(
    ("name", "queries"),
    [("quickstart", 30), ("metaalign", 12), ("consensus", 25), ("diverse_opinion", 25), ("own-preferences", 25)],
)
def test_what_the_run_takes_lies_between_low_and_high(tmp_path: Path, name: str, queries: int) -> None:
    whole = priced(Recipe.load(name).limited(queries))
    told = figures(whole, sample=queries // 2)
    cost = run(whole, out=tmp_path / "run").manifest["cost"]
    took = {name.replace("_", " "): cost[name] for name in ("calls", "prompt_tokens", "completion_tokens")}
    for figure, actual in (took | {"USD": Decimal(cost["usd"])}).items():
        found = told[figure]
        assert found.low <= actual <= found.high, figure
        assert found.low <= found.expected <= found.high <= found.at_most
        assert found.high < found.low * Decimal("1.5"), "a range that says something"


def test_what_a_server_charges_for_lies_between_low_and_high(tmp_path: Path) -> None:
    """Also for the schema of a JSON answer, which it writes into the prompt."""
    with counting_server() as server:
        teacher = {"model": "simulated", "base_url": server.base_url, "price": PRICE}
        served = recipe(teacher=teacher, queries={"source": "bundled", "limit": 16})
        told = figures(served, sample=8)
        cost = run(served, out=tmp_path / "run").manifest["cost"]
    for figure, actual in (("prompt tokens", cost["prompt_tokens"]), ("USD", Decimal(cost["usd"]))):
        assert told[figure].low <= actual <= told[figure].high, figure


def test_a_sample_that_real_models_answer_costs_what_it_says_and_the_run_uses_it(tmp_path: Path) -> None:
    whole = priced(recipe(queries={"source": "bundled", "limit": 8}))
    ledger = tmp_path / "run" / "ledger.sqlite"
    ledger.parent.mkdir()
    found = estimate(whole, sample=8, ledger=ledger)
    assert found.real
    result = run(whole, out=tmp_path / "run")
    assert result.manifest["this_time"]["asked"] == 0
    usd = {figure.name: figure for figure in found.figures}["USD"]
    assert usd.low <= Decimal(result.manifest["cost"]["usd"]) <= usd.high


def test_batches_cost_what_is_off(tmp_path: Path) -> None:
    price = {"input": 2, "output": 4, "batch_discount": 0.25}
    teacher = {"model": "m", "base_url": "http://127.0.0.1:9", "price": price}
    single, batched = (figures(recipe(teacher=teacher | {"batch": batch}), sample=5)["USD"] for batch in (False, True))
    assert float(batched.expected) == pytest.approx(float(single.expected) * 0.75)


def test_the_whole_set_tried_gives_the_calls_of_the_run(tmp_path: Path) -> None:
    small = recipe(queries={"source": "bundled", "limit": 5})
    result = run(small, out=tmp_path / "run")
    assert figures(small, sample=5)["calls"].expected == result.manifest["cost"]["calls"]


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


def test_several_teachers_cost_their_weighted_mean() -> None:
    at = {"base_url": "http://127.0.0.1:9", "price": {"input": 1, "output": 1}}
    cheap, dear = {"model": "a", **at, "weight": 3}, {"model": "b", **at, "price": {"input": 5, "output": 5}}
    judge = {"provider": "simulated"}
    one, both = (figures(recipe(teacher=teachers, judge=judge))["USD"] for teachers in (cheap, [cheap, dear]))
    assert float(both.expected) == pytest.approx(2 * float(one.expected), rel=1e-3)  # (3 x 1 + 1 x 5) / 4
