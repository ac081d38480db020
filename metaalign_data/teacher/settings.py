"""The keys of a recipe's `teacher:`, `judge:` and `budget:` blocks that every provider shares."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from metaalign_data.chat import FROZEN
from metaalign_data.teacher.price import FREE, Price, Usd, published, published_price


class BatchSettings(BaseModel):
    """How requests are gathered into batches, and how often their state is asked for.

    A batch is sent when it is full, or when no request has come for `quiet_s`: then all rows in work wait for it.
    """

    model_config = FROZEN
    max_requests: int = Field(default=10_000, ge=1, le=50_000, description="requests of one batch, and rows in work")
    max_megabytes: float = Field(default=100.0, gt=0, le=200, description="size of one batch")
    quiet_s: float = Field(default=5.0, gt=0, description="a batch goes out when no request came for so long")
    poll_s: float = Field(default=30.0, gt=0, description="time between two looks at a pending batch")


def _switched(value: object) -> object:
    """`batch: true` takes every default."""
    return {} if value is True else None if value is False else value


class TeacherSettings(BaseModel):
    """One model and how to ask it. `options` holds the keys of its provider's own Config."""

    model_config = FROZEN
    provider: str = "openai"
    weight: float = Field(default=1.0, gt=0, description="share of the requests, where several teachers are named")
    max_concurrency: int = Field(default=32, ge=1, description="requests in flight at most")
    requests_per_minute: float | None = Field(default=None, gt=0, description="null: as many as the server takes")
    tokens_per_minute: float | None = Field(default=None, gt=0, description="in and out; null: as the server takes")
    timeout_s: float = Field(default=120.0, gt=0, description="deadline of one attempt")
    deadline_s: float = Field(default=3600.0, gt=0, description="deadline of a request, all tries and waits included")
    max_attempts: int = Field(default=8, ge=1, description="tries of one request; a 429 is not counted")
    json_attempts: int = Field(default=3, ge=1, description="askings of one question until its answer is valid JSON")
    price: Price | None = Field(default=None, description="USD per million tokens; null: published, else unknown")
    batch: Annotated[BatchSettings | None, BeforeValidator(_switched)] = Field(
        default=None, description="true asks by the Batch API: cheaper, within a day; a block says how"
    )
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def is_simulated(self) -> bool:
        return self.provider == "simulated"

    @property
    def list_price(self) -> Price | None:
        """The price of one request by itself: the recipe's, or the published one. None where nobody knows."""
        published = published_price(self.provider, self.options)
        if self.price and self.price.batch_discount is None and published:
            return self.price.model_copy(update={"batch_discount": published.batch_discount})
        return self.price or (FREE if self.is_simulated else published)

    @property
    def known_price(self) -> Price | None:
        """The price of a request in the way that these settings ask. None where nobody knows."""
        price = self.list_price
        return price.in_batches() if price and self.batch else price

    @property
    def price_notes(self) -> list[str]:
        """Where a price is from that the recipe does not give, and what is off in batches."""
        model, price = self.options.get("model", self.provider), self.list_price
        if price is None or self.is_simulated:
            return []
        told = f"price of {model}: as published on {published().as_of}; give price where it has changed"
        batches = f"{model} is asked in batches, {price.batch_discount or 0:.0%} off"
        return [*([] if self.price else [told]), *([batches] if self.batch else [])]

    @property
    def rows_in_work(self) -> int:
        """Rows that have to be under way for this model to be asked as much as it may be."""
        return self.batch.max_requests if self.batch else 2 * self.max_concurrency


class BudgetSettings(BaseModel):
    """What a run may spend in all, over every resume; null is no limit."""

    model_config = FROZEN
    usd: Usd | None = None
    tokens: int | None = Field(default=None, ge=0)
    calls: int | None = Field(default=None, ge=0)
