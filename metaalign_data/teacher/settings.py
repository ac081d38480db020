"""The keys of a recipe's `teacher:`, `judge:` and `budget:` blocks that every provider shares."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from metaalign_data.chat import FROZEN, Usage


def _exact(value: object) -> object:
    """0.15 in YAML is the decimal 0.15, not the nearest binary float."""
    return str(value) if isinstance(value, float) else value


Usd = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0)]


class Price(BaseModel):
    """USD per million tokens."""

    model_config = FROZEN
    input: Usd
    output: Usd

    def of(self, usage: Usage) -> Decimal:
        """Cost of one request, in USD, exact."""
        return (self.input * usage.prompt_tokens + self.output * usage.completion_tokens) / 1_000_000


FREE = Price(input=Decimal(0), output=Decimal(0))


class TeacherSettings(BaseModel):
    """One model and how to ask it. `options` holds the keys of its provider's own Config."""

    model_config = FROZEN
    provider: str = "openai"
    max_concurrency: int = Field(default=32, ge=1, description="requests in flight at most")
    timeout_s: float = Field(default=120.0, gt=0, description="deadline of one attempt")
    max_attempts: int = Field(default=6, ge=1, description="tries of one request; a 429 is not counted")
    json_attempts: int = Field(default=3, ge=1, description="askings of one question until its answer is valid JSON")
    price: Price | None = Field(default=None, description="USD per million tokens; null is unknown, not free")
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def is_simulated(self) -> bool:
        return self.provider == "simulated"

    @property
    def known_price(self) -> Price | None:
        """The price that the recipe gives; the simulated teacher is free. None where nobody knows."""
        return self.price or (FREE if self.is_simulated else None)


class BudgetSettings(BaseModel):
    """What a run may spend in all, over every resume; null is no limit."""

    model_config = FROZEN
    usd: Usd | None = None
    tokens: int | None = Field(default=None, ge=0)
    calls: int | None = Field(default=None, ge=0)
