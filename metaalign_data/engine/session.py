"""Teacher and judges of one run, with the ledger, the budget and the layers around them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from metaalign_data.engine.embedding import Switchboard
from metaalign_data.engine.wiring import make_client
from metaalign_data.errors import BudgetReached, UserError
from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from metaalign_data.teacher.base import Client, Teacher
from metaalign_data.teacher.batch import Batched, Batching
from metaalign_data.teacher.batch.journal import Journal
from metaalign_data.teacher.budget import Budget, Spending, spending_of
from metaalign_data.teacher.expenses import Account, Costly
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.ledger_care import names_of_facts
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.openai.probe import MOST, MOST_CALLS
from metaalign_data.teacher.pace import Paces
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.several import Member, Several, StoodInFor
from metaalign_data.teacher.simulated.teacher import MODEL
from metaalign_data.teacher.stack import build_member, build_stack

LOG = logging.getLogger(__name__)

PROBE_SILENCE_S = 10.0
PROBE = "probe:"
"""Of the facts of a ledger, those that a client's probe has found out begin so."""


class Session:
    """What a run asks and what it keeps count with. `facts` says what each server was found to honour."""

    def __init__(self, recipe: Recipe, ledger: Ledger, library: Library) -> None:
        self.ledger, self.meter, self.paces = ledger, Meter(), Paces()
        self.budget = Budget(recipe.budget, ledger.totals())
        self.facts: dict[str, Any] = {}
        self._library = library
        self._silence_s = min(PROBE_SILENCE_S, recipe.run.stall_after_s)
        self._clients: dict[str, tuple[TeacherSettings, Client]] = {}
        self._stacks: dict[tuple[str, float, bool], Member] = {}
        self.teacher = self._teacher(recipe.teachers)
        self.judges = self._judges(recipe.judges)
        self.weak_teacher = self._member(recipe.weak_teacher).teacher if recipe.weak_teacher else None
        self.embedding = Switchboard(
            partial(build_stack, ledger=ledger, budget=self.budget, meter=self.meter, library=library, paces=self.paces)
        )
        self.clients: tuple[Client, ...] = tuple(client for _, client in self._clients.values())
        self.teacher_model = self._models(recipe.teachers)
        self.judge_model = self._models(recipe.judges)
        self.simulated = MODEL in {
            made.model for made in self.clients
        }  # embedded or behind a server: it keeps its name

    def _teacher(self, settings: Sequence[TeacherSettings]) -> Teacher:
        """The one teacher, or several of which another stands in for one that is down."""
        if len(settings) == 1:
            return self._member(settings[0]).teacher
        return Several([self._member(each, may_rest=True) for each in settings])

    def _judges(self, settings: Sequence[TeacherSettings]) -> tuple[Teacher, ...]:
        """The one judge, or several of which the others stand in for one that is down."""
        if len(settings) == 1:
            return (self._member(settings[0]).teacher,)
        members = [self._member(each, may_rest=True) for each in settings]
        turned = [[*members[i + 1 :], *members[:i]] for i in range(len(members))]
        return tuple(
            StoodInFor(judge, [other for other in others if other.identity != judge.identity])
            for judge, others in zip(members, turned, strict=True)
        )

    def _member(self, settings: TeacherSettings, *, may_rest: bool = False) -> Member:
        """The stack for these settings; the same one for equal settings."""
        model = same_model(settings)
        if model not in self._clients:
            self._clients[model] = settings, self._client(settings)
        place = model, settings.weight, may_rest
        if place not in self._stacks:
            self._stacks[place] = build_member(
                self._clients[model][1],
                settings,
                ledger=self.ledger,
                budget=self.budget,
                meter=self.meter,
                library=self._library,
                paces=self.paces,
                may_rest=may_rest,
            )
        return self._stacks[place]

    def _client(self, settings: TeacherSettings) -> Client:
        client = make_client(settings)
        self.meter.watch(frozenset(settings.price_notes))
        return self._in_batches(client, settings) if settings.batch else client

    def _models(self, settings: Sequence[TeacherSettings]) -> str:
        return ", ".join(dict.fromkeys(self._clients[same_model(each)][1].model for each in settings))

    def _in_batches(self, client: Client, settings: TeacherSettings) -> Client:
        if not (settings.batch and isinstance(client, Batching)):
            raise UserError(f"provider '{settings.provider}' has no Batch API", fix="leave out batch")
        account = Account(self.ledger, self.budget, self.meter, client.model, settings.known_price)
        return Batched(client, settings.batch, account)

    def _heed_pending(self) -> None:
        """Raises UserError where batches are pending that these settings would ask again, one request at a time."""
        asking = {client.identity: isinstance(client, Batched) for client in self.clients}
        for entry in Journal(self.ledger).entries():
            if asking.get(entry.identity) is False:
                raise UserError(
                    f"batch {entry.job or entry.mark} with {len(entry.keys)} requests is pending, and batch is off now",
                    fix="say batch: true to fetch what is paid for, or give it up: "
                    f"metaalign-data batches RUN --forget {entry.job or entry.mark}",
                )

    async def probe(self) -> None:
        """Find out what each server honours, once in the life of a ledger.

        Raises TeacherError where a server is out of reach or refuses everything.
        """
        self._heed_pending()
        for settings, client in self._clients.values():
            name = f"{PROBE}{client.identity}"
            facts = self.ledger.fact(name)
            if facts is None:
                facts = await self._told(self._probed(settings, client), client.model)
                if facts:  # else nothing was found out: the next run tries again
                    await self.ledger.put_fact(name, facts)
            client.remember(facts)
            if facts:
                self.facts[client.model] = facts
            if isinstance(client, Batched):
                await client.adoption.start()

    async def _told(self, probing: Awaitable[dict[str, object]], model: str) -> dict[str, object]:
        """The result of a probe; where that takes long, a line in the log says so again and again."""
        task, since_s = asyncio.ensure_future(probing), time.monotonic()
        try:
            while not (await asyncio.wait([task], timeout=self._silence_s))[0]:
                waited_s = time.monotonic() - since_s
                LOG.warning("%s has not answered the first small requests for %.0f s", model, waited_s)
            return await task
        finally:
            task.cancel()

    async def _probed(self, settings: TeacherSettings, client: Client) -> dict[str, object]:
        """What a probe finds out, paid for; {} where the budget has no room for it: refusals will tell, too."""
        price = settings.list_price
        most = spending_of(MOST, price)._replace(calls=MOST_CALLS) if isinstance(client, Costly) else Spending()
        if not self.budget.holds(most):
            return {}
        self.budget.hold(most)
        account = Account(self.ledger, self.budget, self.meter, client.model, price)
        try:
            return await client.probe()
        finally:
            self.budget.settle(most, Spending())
            while isinstance(client, Costly) and client.expenses:
                await account.pay("probe", client.expenses.pop())

    @property
    def stopping(self) -> bool:
        return self.budget.stopped is not None

    def stop(self, reason: Exception) -> None:
        """Nothing new is asked from now on: whoever would, gets `reason`. Answers in flight are kept."""
        self.budget.stop(reason)
        for client in self.clients:
            if isinstance(client, Batched) and not isinstance(reason, BudgetReached):
                client.leave(reason)  # its answers may be a day away: the next run fetches them


def same_model(settings: TeacherSettings) -> str:
    """Equal for settings that differ in nothing but their share of the requests."""
    return settings.model_dump_json(exclude={"weight"})


def met_before(path: Path) -> frozenset[str]:
    """Identities of the clients whose servers have answered the probe of an earlier run with the ledger in `path`.

    None of a ledger that cannot be read: the run opens it next, and tells.
    """
    if not path.exists():
        return frozenset()
    return frozenset(name.removeprefix(PROBE) for name in names_of_facts(path, PROBE))


@asynccontextmanager
async def open_session(recipe: Recipe, ledger: Path, library: Library) -> AsyncIterator[Session]:
    """Opens the ledger, finds out what the servers honour, and closes everything at the end."""
    book = Ledger.open(ledger)
    try:
        session = Session(recipe, book, library)
        try:
            await session.probe()
            yield session
        finally:
            while session.meter.in_flight:  # noqa: ASYNC110  what is asked is paid for: its answer must reach the ledger
                await asyncio.sleep(0.01)
            for client in session.clients:
                await client.aclose()
            await session.embedding.aclose()
    finally:
        await book.close()
