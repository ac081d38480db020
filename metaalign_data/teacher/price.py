"""What answers cost: prices from the recipe, or from a small table of published ones."""

import os
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, Field

from metaalign_data.chat import FROZEN, Usage

TABLE = Path(__file__).with_name("prices.yaml")


def _exact(value: object) -> object:
    """0.15 in YAML is the decimal 0.15, not the nearest binary float."""
    return str(value) if isinstance(value, float) else value


Usd = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0)]
Discount = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, le=1)]


class Price(BaseModel):
    """USD per million tokens."""

    model_config = FROZEN
    input: Usd
    output: Usd
    cached_input: Usd | None = Field(default=None, description="of input that the server had in its cache; null: input")
    batch_discount: Discount | None = Field(
        default=None, description="share off in batches, 0.5 for half price; null: the table's, else none"
    )

    def of(self, usage: Usage) -> Decimal:
        """Cost of one request, in USD, exact."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        cached_input = self.input if self.cached_input is None else self.cached_input
        tokens_in = self.input * (usage.prompt_tokens - cached) + cached_input * cached
        return (tokens_in + self.output * usage.completion_tokens) / 1_000_000

    def in_batches(self) -> "Price":
        """The price of the same tokens in a batch."""
        share = 1 - (self.batch_discount or 0)
        cached = None if self.cached_input is None else self.cached_input * share
        return Price(input=self.input * share, output=self.output * share, cached_input=cached)


FREE = Price(input=Decimal(0), output=Decimal(0))


class Published(BaseModel):
    """The table: prices as they stood at `as_of`. They hold at `address` only: others sell the same models."""

    model_config = FROZEN
    address: str
    as_of: str
    sources: tuple[str, ...]
    prices: dict[str, Price]


@cache
def published() -> Published:
    return Published.model_validate(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def published_price(provider: str, options: Mapping[str, Any]) -> Price | None:
    """The table's price of the model that a teacher's block names; None where nobody knows."""
    table = published()
    address = options.get("base_url") or os.environ.get("OPENAI_BASE_URL") or table.address
    if provider != "openai" or address.rstrip("/") != table.address:
        return None
    return table.prices.get(str(options.get("model")))
