"""The layers around a client, put together."""

from collections.abc import Set
from typing import Protocol, runtime_checkable

from metaalign_data.prompting import Library
from metaalign_data.teacher.base import Client, Teacher
from metaalign_data.teacher.batch import Adopted, Batched
from metaalign_data.teacher.budget import Budget, Budgeted
from metaalign_data.teacher.expenses import Account, Accounted
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.limiter import Limited
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.recorded import Recorded
from metaalign_data.teacher.retry import PATIENCE_S, Retrying
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.structured import Structured


@runtime_checkable
class Bounded(Protocol):
    """A client that cannot work on more requests at once, whatever the recipe says."""

    @property
    def max_concurrency(self) -> int: ...


@runtime_checkable
class Noticing(Protocol):
    """A client that notices what its server ignores or refuses, and says so in sentences."""

    @property
    def notices(self) -> Set[str]: ...


def build_stack(
    client: Client, settings: TeacherSettings, *, ledger: Ledger, budget: Budget, meter: Meter, library: Library
) -> Teacher:
    """What stages ask: the ledger first, then the budget, then `client` with patience and within its limits.

    `ledger`, `budget` and `meter` are shared by all stacks of a run; so is one stack by all stages that ask one model,
    since the limits are the stack's. Raises UserError where the budget is in USD and the price unknown.
    """
    if isinstance(client, Noticing):
        meter.watch(client.notices)
    concurrency = settings.max_concurrency
    if isinstance(client, Bounded):
        concurrency = min(concurrency, client.max_concurrency)
    price = settings.known_price
    asked: Teacher = Accounted(client, Account(ledger, budget, meter, client.model, price))
    if not isinstance(client, Batched):  # a batch has its own pace
        asked = Limited(asked, concurrency, settings.timeout_s, meter, longest_pause_s=PATIENCE_S)
    patient = Retrying(asked, settings.max_attempts, meter)
    frugal: Teacher = Budgeted(patient, budget, price)
    if isinstance(client, Batched):
        frugal = Adopted(frugal, client.identity, client.adoption.expected)
    recorded = Recorded(frugal, ledger, client.identity, price, meter)
    return Structured(recorded, library, settings.json_attempts)
