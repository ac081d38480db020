"""What tokens cost, exactly, and where a price is from."""

import datetime
from decimal import Decimal
from typing import Any

import pytest

from metaalign_data.chat import Usage
from metaalign_data.teacher.price import Price, published
from metaalign_data.teacher.settings import TeacherSettings


def usage(prompt: int, completion: int, cached: int = 0) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)


@pytest.mark.parametrize(
    ("price", "taken", "usd"),
    [
        ({"input": 0.15, "output": 0.6}, usage(1_000_000, 1_000_000), "0.75"),
        ({"input": 0.15, "output": 0.6}, usage(1, 1), "0.00000075"),
        ({"input": 2, "output": 8, "cached_input": 0.5}, usage(1_000_000, 0, 400_000), "1.4"),
        ({"input": 2, "output": 8, "cached_input": 0.5}, usage(10, 0, 1_000_000), "0.000005"),
        ({"input": 2, "output": 8}, usage(1_000_000, 0, 400_000), "2"),
        ({"input": 2, "output": 8, "cached_input": 0}, usage(1_000_000, 0, 400_000), "1.2"),
    ],
)
def test_tokens_cost_exactly_what_the_price_says(price: dict[str, float], taken: Usage, usd: str) -> None:
    assert Price(**price).of(taken) == Decimal(usd)  # type: ignore[arg-type]


def test_a_batch_costs_less_by_its_discount_and_the_same_without_one() -> None:
    taken = usage(1000, 100, 500)
    whole = Price(input=2, output=8, cached_input=0.5, batch_discount=0.5)  # type: ignore[arg-type]
    assert whole.in_batches().of(taken) * 2 == whole.of(taken)
    assert Price(input=2, output=8).in_batches() == Price(input=2, output=8)  # type: ignore[arg-type]


def settings(base_url: str | None = None, model: str = "gpt-4.1-mini", **shared: Any) -> TeacherSettings:
    return TeacherSettings(options={"model": model, "base_url": base_url}, **shared)


def test_the_published_price_holds_at_its_own_address_only(monkeypatch: pytest.MonkeyPatch) -> None:
    known = published().prices["gpt-4.1-mini"]
    assert settings().known_price == known
    assert settings("https://api.openai.com/v1").known_price == known
    assert settings("http://localhost:8000/v1").known_price is None
    assert settings(model="gpt-never-heard-of").known_price is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    assert settings().known_price is None


def test_the_recipes_price_comes_first_and_takes_only_the_discount_from_the_table() -> None:
    own = {"input": 1, "output": 2}
    assert settings(price=own).known_price.of(usage(1_000_000, 0)) == 1  # type: ignore[union-attr]
    batched = settings(price=own, batch=True).known_price
    assert batched is not None
    assert batched.of(usage(1_000_000, 0)) == Decimal("0.5")
    full = settings(price=own | {"batch_discount": 0}, batch=True).known_price
    assert full is not None
    assert full.of(usage(1_000_000, 0)) == 1
    strange = settings("http://localhost:1/v1", price=own, batch=True).known_price
    assert strange is not None
    assert strange.of(usage(1_000_000, 0)) == 1  # nobody has promised a discount


def test_the_table_says_from_when_and_where_it_is() -> None:
    table = published()
    assert datetime.date.fromisoformat(table.as_of) < datetime.date(2027, 1, 1)
    assert table.sources
    assert all(price.batch_discount == Decimal("0.5") for price in table.prices.values())


def test_batch_may_be_a_switch_or_a_block() -> None:
    assert settings(batch=False).batch is None
    on = settings(batch=True)
    assert on.batch is not None
    assert (on.batch.max_requests, on.rows_in_work) == (10_000, 10_000)
    assert settings(batch={"quiet_s": 1}).batch.quiet_s == 1  # type: ignore[union-attr]


def test_a_price_that_the_recipe_does_not_give_is_told_with_its_date() -> None:
    assert settings().price_notes == [
        f"price of gpt-4.1-mini: as published on {published().as_of}; give price where it has changed"
    ]
    own = {"input": 1, "output": 2}
    assert settings(price=own).price_notes == []
    assert settings(price=own, batch=True).price_notes == ["gpt-4.1-mini is asked in batches, 50% off"]
    assert settings("http://localhost:1/v1").price_notes == []
