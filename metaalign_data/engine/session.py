"""Teacher and judges of one run, with the ledger, the budget and the layers around them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from metaalign_data.engine.embedding import Switchboard
from metaalign_data.engine.wiring import make_client
from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from metaalign_data.teacher.base import Client, Teacher
from metaalign_data.teacher.budget import Budget, Spending, spending_of
from metaalign_data.teacher.expenses import Account, Costly
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.openai.probe import MOST, MOST_CALLS
from metaalign_data.teacher.pace import Paces
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.simulated.teacher import MODEL
from metaalign_data.teacher.stack import build_stack


class Session:
    """What a run asks and what it keeps count with. `facts` says what each server was found to honour."""

    def __init__(self, recipe: Recipe, ledger: Ledger, library: Library) -> None:
        self.ledger, self.meter, self.paces = ledger, Meter(), Paces()
        self.budget = Budget(recipe.budget, ledger.totals())
        self.facts: dict[str, Any] = {}
        self._made: list[tuple[TeacherSettings, Client, Teacher]] = []
        client, self.teacher = self._asking(recipe.teacher, library)
        judges = [self._asking(judge, library) for judge in recipe.judges]
        self.judges = tuple(judge for _, judge in judges)
        self.weak_teacher = self._asking(recipe.weak_teacher, library)[1] if recipe.weak_teacher else None
        self.embedding = Switchboard(
            partial(build_stack, ledger=ledger, budget=self.budget, meter=self.meter, library=library, paces=self.paces)
        )
        self.clients: tuple[Client, ...] = tuple(made for _, made, _ in self._made)
        self.teacher_model = client.model
        self.judge_model = ", ".join(dict.fromkeys(judge.model for judge, _ in judges))
        self.simulated = MODEL in {
            made.model for made in self.clients
        }  # embedded or behind a server: it keeps its name

    def _asking(self, settings: TeacherSettings, library: Library) -> tuple[Client, Teacher]:
        """Client and stack of these settings; the same ones for equal settings, so that their limits hold together."""
        for known, client, teacher in self._made:
            if known == settings:
                return client, teacher
        client = make_client(settings)
        teacher = build_stack(
            client,
            settings,
            ledger=self.ledger,
            budget=self.budget,
            meter=self.meter,
            library=library,
            paces=self.paces,
        )
        self._made.append((settings, client, teacher))
        return client, teacher

    async def probe(self) -> None:
        """Find out what each server honours, once in the life of a ledger.

        Raises TeacherError where a server is out of reach or refuses everything.
        """
        for settings, client, _ in self._made:
            name = f"probe:{client.identity}"
            facts = self.ledger.fact(name)
            if facts is None:
                facts = await self._probed(settings, client)
                if facts:  # else nothing was found out: the next run tries again
                    await self.ledger.put_fact(name, facts)
            client.remember(facts)
            if facts:
                self.facts[client.model] = facts

    async def _probed(self, settings: TeacherSettings, client: Client) -> dict[str, object]:
        """What a probe finds out, paid for; {} where the budget has no room for it: refusals will tell, too."""
        price = settings.list_price
        most = replace(spending_of(MOST, price), calls=MOST_CALLS) if isinstance(client, Costly) else Spending()
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
