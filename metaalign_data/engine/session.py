"""Teacher and judge of one run, with the ledger, the budget and the layers around them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from metaalign_data.engine.wiring import make_client
from metaalign_data.prompting import Library
from metaalign_data.recipe import Recipe
from metaalign_data.teacher.base import Client, Teacher
from metaalign_data.teacher.budget import Budget
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.simulated.teacher import MODEL
from metaalign_data.teacher.stack import build_stack


class Session:
    """What a run asks and what it keeps count with. `facts` says what each server was found to honour."""

    def __init__(self, recipe: Recipe, ledger: Ledger, library: Library) -> None:
        self.ledger, self.meter = ledger, Meter()
        self.budget = Budget(recipe.budget, ledger.totals())
        self.facts: dict[str, Any] = {}
        client = make_client(recipe.teacher)
        judge = client if recipe.judge == recipe.teacher else make_client(recipe.judge)
        self.clients: tuple[Client, ...] = (client,) if judge is client else (client, judge)
        self.teacher_model, self.judge_model = client.model, judge.model
        self.simulated = MODEL in (client.model, judge.model)  # embedded or behind a server: it keeps its name
        self.teacher = self._stack(client, recipe.teacher, library)
        self.judge = self.teacher if judge is client else self._stack(judge, recipe.judge, library)

    def _stack(self, client: Client, settings: TeacherSettings, library: Library) -> Teacher:
        return build_stack(client, settings, ledger=self.ledger, budget=self.budget, meter=self.meter, library=library)

    async def probe(self) -> None:
        """Find out what each server honours, once in the life of a ledger.

        Raises TeacherError where a server is out of reach or refuses everything.
        """
        for client in self.clients:
            name = f"probe:{client.identity}"
            facts = self.ledger.fact(name)
            if facts is None:
                facts = await client.probe()
                if facts:  # else nothing was found out: the next run tries again
                    await self.ledger.put_fact(name, facts)
            client.remember(facts)
            if facts:
                self.facts[client.model] = facts

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
    finally:
        await book.close()
