"""What a run may spend, held before each request and not regretted after it."""

import asyncio
from decimal import Decimal
from typing import NamedTuple

from metaalign_data.chat import ChatRequest, Completion, Usage
from metaalign_data.errors import BudgetReached, UserError
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.ledger import Totals
from metaalign_data.teacher.price import Price
from metaalign_data.teacher.schema import schema_text
from metaalign_data.teacher.settings import BudgetSettings

MESSAGE_TOKENS = 16
"""Room for what a chat template writes around one message."""
REQUEST_TOKENS = 256
"""Room for what it writes around all of them, and for the instructions that stand in for a JSON mode."""


def upper_bound(request: ChatRequest) -> Usage:
    """More tokens than the request can take: each token of a byte-level vocabulary covers a byte at least.

    Four times too much for English prose. That costs nothing: it is given back when the answer is there, and only the
    last request before the end of a budget is refused early.
    """
    messages = sum(len(m.content.encode()) + MESSAGE_TOKENS for m in request.messages)
    schema = len(schema_text(request.output).encode()) if request.output else 0
    return Usage(prompt_tokens=messages + schema + REQUEST_TOKENS, completion_tokens=request.max_tokens)


class Spending(NamedTuple):
    """Calls, tokens and USD: of one request, or of many."""

    calls: int = 0
    tokens: int = 0
    usd: Decimal = Decimal(0)

    def __add__(self, other: "Spending") -> "Spending":  # type: ignore[override]
        return Spending(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: "Spending") -> "Spending":
        return Spending(self.calls - other.calls, self.tokens - other.tokens, self.usd - other.usd)


def spending_of(usage: Usage, price: Price | None) -> Spending:
    """One call that took so many tokens."""
    tokens = usage.prompt_tokens + usage.completion_tokens
    return Spending(1, tokens, price.of(usage) if price else Decimal(0))


class Budget:
    """One purse for teacher and judge, over all resumes: it starts with what the ledger says was spent.

    A call is a request that was answered. A failed attempt counts only where the server says what it charged for it.
    Raises UserError where a cap in USD is asked for and the ledger holds calls of unknown price.
    """

    def __init__(self, caps: BudgetSettings, spent: Totals) -> None:
        self.caps = caps
        if caps.usd is not None and spent.usd is None:
            raise UserError(
                "budget.usd cannot be held: the ledger holds answers of unknown price",
                fix="give a budget in calls or tokens, or start a new run directory",
            )
        self.spent = Spending(spent.calls, spent.tokens, spent.usd or Decimal(0))
        self.stopped: Exception | None = None
        self._reserved = Spending()
        self._settled = asyncio.Event()
        self._waits = False

    def stop(self, reason: Exception) -> None:
        """From now on whoever would ask gets `reason`; who has asked already gets the answer."""
        self.stopped = self.stopped or reason
        self._wake()

    async def reserve(self, most: Spending) -> None:
        """Set `most` aside. Waits while only what others have set aside stands in the way.

        Raises BudgetReached when it does not fit into what is left, and the reason of `stop` after that: one budget
        reached ends the asking for all, so that a run does not go on with the small requests only.
        """
        while self.stopped is None:
            if self.holds(most):
                self._reserved += most
                return
            if cap := self._passed_by(self.spent + most):
                self.stop(BudgetReached(f"{cap} is reached"))
            else:
                self._waits = True
                await self._settled.wait()
        raise self.stopped.with_traceback(None)  # raised many times: it would grow with each

    def holds(self, most: Spending) -> bool:
        """Whether `most` fits into what is left and not set aside."""
        return not self._passed_by(self.spent + self._reserved + most)

    def hold(self, most: Spending) -> None:
        """Set `most` aside although it may not fit: it has been asked already."""
        self._reserved += most

    def settle(self, most: Spending, actual: Spending) -> None:
        """Give back what `reserve` set aside and take what it really was; nothing, for a failure."""
        self._reserved -= most
        self.spent += actual
        self._wake()

    def _wake(self) -> None:
        if self._waits:
            self._settled.set()
            self._settled, self._waits = asyncio.Event(), False

    def _passed_by(self, sum_: Spending) -> str:
        """The first cap that `sum_` passes, as a phrase; "" for none."""
        caps = self.caps
        if caps.calls is not None and sum_.calls > caps.calls:
            return f"the budget of {caps.calls} calls"
        if caps.tokens is not None and sum_.tokens > caps.tokens:
            return f"the budget of {caps.tokens} tokens ({self.spent.tokens} spent)"
        if caps.usd is not None and sum_.usd > caps.usd:
            return f"the budget of {caps.usd} USD ({self.spent.usd:.4f} spent)"
        return ""


class Budgeted:
    """Asks `inner` only what the budget holds, at the most that the request could cost.

    A server that ignores max_tokens can still pass the cap by one answer for each request in flight; the next request
    is refused then. Raises UserError where the budget is in USD and the price unknown.
    """

    def __init__(self, inner: Teacher, budget: Budget, price: Price | None) -> None:
        if budget.caps.usd is not None and price is None:
            raise UserError(
                "budget.usd cannot be held: the price of the model is unknown",
                fix="give price: {input: ..., output: ...} in USD per million tokens, or a budget in calls or tokens",
            )
        self.inner, self.budget = inner, budget
        self._price = price

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises BudgetReached, and what `inner` raises."""
        most = spending_of(upper_bound(request), self._price)
        await self.budget.reserve(most)
        actual = Spending()
        try:
            completion = await self.inner.complete(request)
            actual = spending_of(completion.usage, self._price)
        finally:
            self.budget.settle(most, actual)
        return completion
