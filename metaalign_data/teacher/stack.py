"""The layers around a client, put together."""

from collections.abc import Set
from typing import Protocol, runtime_checkable

from metaalign_data.prompting import Library
from metaalign_data.teacher.base import Client, Teacher
from metaalign_data.teacher.batch import Adopted, Batched
from metaalign_data.teacher.breaker import Breaker
from metaalign_data.teacher.budget import Budget, Budgeted
from metaalign_data.teacher.expenses import Account, Accounted
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.limiter import Limited
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.openai.connection import Connection
from metaalign_data.teacher.pace import Pace, Paces
from metaalign_data.teacher.recorded import Recorded
from metaalign_data.teacher.retry import PATIENCE_S, Retrying
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.several import Member
from metaalign_data.teacher.structured import Structured


@runtime_checkable
class Bounded(Protocol):
    """A client that cannot work on more requests at once, whatever the recipe says."""

    @property
    def max_concurrency(self) -> int: ...


@runtime_checkable
class Served(Protocol):
    """A client of a server whose limits are shared by all who ask the same `endpoint`, and told by its `connection`."""

    connection: Connection

    @property
    def endpoint(self) -> str: ...


@runtime_checkable
class Noticing(Protocol):
    """A client that notices what its server ignores or refuses, and says so in sentences."""

    @property
    def notices(self) -> Set[str]: ...


def build_stack(
    client: Client,
    settings: TeacherSettings,
    *,
    ledger: Ledger,
    budget: Budget,
    meter: Meter,
    library: Library,
    paces: Paces | None = None,
) -> Teacher:
    """What stages ask of one model; see `build_member`."""
    shared = {"ledger": ledger, "budget": budget, "meter": meter, "library": library, "paces": paces or Paces()}
    return build_member(client, settings, may_rest=False, **shared).teacher  # type: ignore[arg-type]


def build_member(
    client: Client,
    settings: TeacherSettings,
    *,
    ledger: Ledger,
    budget: Budget,
    meter: Meter,
    library: Library,
    paces: Paces,
    may_rest: bool,
) -> Member:
    """What stages ask: the ledger first, then the budget, then `client` with patience and within its limits.

    `ledger`, `budget`, `meter` and `paces` are shared by all stacks of a run; so is one stack by all stages that ask
    one model. With `may_rest` an endpoint that is down is left alone instead of being asked on and on. Raises UserError
    where the budget is in USD and the price unknown.
    """
    if isinstance(client, Noticing):
        meter.watch(client.notices)
    concurrency = settings.max_concurrency
    if isinstance(client, Bounded):
        concurrency = min(concurrency, client.max_concurrency)
    pace = paced(client, settings, concurrency, paces)
    price = settings.known_price
    asked: Teacher = Accounted(client, Account(ledger, budget, meter, client.model, price))
    breaker = Breaker(asked)
    deadline_s = None  # a batch has its own pace
    if not isinstance(client, Batched):
        deadline_s = settings.deadline_s
        asked = Limited(asked, concurrency, settings.timeout_s, meter, PATIENCE_S, pace)
        breaker = Breaker(asked)
        asked = breaker if may_rest else asked
    patient = Retrying(asked, settings.max_attempts, meter, deadline_s=deadline_s)
    frugal: Teacher = Budgeted(patient, budget, price)
    if isinstance(client, Batched):
        frugal = Adopted(frugal, client.identity, client.adoption.expected)
    unsettled = None if isinstance(client, Batched) else 2 * concurrency  # as many being written as being answered
    recorded = Recorded(frugal, ledger, client.identity, price, meter, unsettled)
    structured = Structured(recorded, library, settings.json_attempts, models=frozenset({client.model}), meter=meter)
    return Member(client.identity, settings.weight, structured, breaker, recorded.has_answered)


def paced(client: Client, settings: TeacherSettings, concurrency: int, paces: Paces) -> Pace:
    """The pace of the client's endpoint, which hears what the server says of its limits."""
    pace = paces.of(client.endpoint if isinstance(client, Served) else client.identity, concurrency)
    if isinstance(client, Served):
        client.connection.heard = pace.told
    pace.limit(requests_per_minute=settings.requests_per_minute, tokens_per_minute=settings.tokens_per_minute)
    return pace
