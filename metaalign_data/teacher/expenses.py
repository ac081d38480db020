"""What is paid for without an answer to show for it: a client's own small requests, and replies that are none."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from metaalign_data.chat import ChatRequest, Completion, Usage
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.base import Client
from metaalign_data.teacher.budget import Budget, Spending, spending_of
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.price import Price


@runtime_checkable
class Costly(Protocol):
    """A client whose `probe` is paid for: what its requests took stands in `expenses` until somebody takes it out."""

    expenses: list[Usage]


@dataclass(frozen=True)
class Account:
    """Where everything that one model takes is written down: in the ledger, against the budget, on the meter."""

    ledger: Ledger
    budget: Budget
    meter: Meter
    model: str
    price: Price | None

    async def pay(self, what: str, usage: Usage) -> None:
        """Returns once it is on disk. Raises TeacherUnusable when the ledger fails."""
        cost = self.price.of(usage) if self.price else None
        self.budget.settle(Spending(), spending_of(usage, self.price))
        self.meter.paid(usage, cost)
        await self.ledger.put_expense(what, self.model, usage, cost)


class Accounted:
    """Asks `inner`, and pays for the replies that hold no answer and are charged for all the same."""

    def __init__(self, inner: Client, account: Account) -> None:
        self.inner, self.account = inner, account

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises what `inner` raises, and TeacherUnusable when the ledger fails."""
        try:
            return await self.inner.complete(request)
        except TeacherError as e:
            if e.charged is not None:
                await self.account.pay("unusable", e.charged)
            raise
