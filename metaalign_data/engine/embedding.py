"""ctx.embed: texts to vectors by any embedder, from the run's file of vectors where they are in it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.embed import HASHED_NGRAMS, Embedder, EmbedderName, Vectors, embedder
from metaalign_data.embed.server import Ask, EmbeddingClient, EmbeddingServer, ServedModel
from metaalign_data.embed.store import VectorStore
from metaalign_data.errors import TeacherError, TeacherUnusable, UserError
from metaalign_data.teacher.base import Client, Teacher
from metaalign_data.teacher.limiter import Limited
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.retry import PATIENCE_S, Retrying
from metaalign_data.teacher.settings import Price, TeacherSettings

Stack = Callable[[Client, TeacherSettings], Teacher]


class Embedding:
    """Makes vectors, and keeps those of a model in the file `vectors` (None: keeps none).

    `ask` puts requests to an embedding server; None where there is nothing to ask with.
    """

    def __init__(self, vectors: Path | None = None, ask: Ask | None = None) -> None:
        self._store = VectorStore(vectors) if vectors else None
        self._ask = ask

    def embed(self, name: EmbedderName, texts: Sequence[str]) -> Vectors:
        """Unit vectors of the texts. Raises UserError; TeacherUnusable, BudgetReached where a server is asked."""
        made = self._embedder(name)
        if self._store is None or name == HASHED_NGRAMS:  # hashing is as fast as reading
            return made.embed(texts)
        return self._store.embed(made, texts)

    def _embedder(self, name: EmbedderName) -> Embedder:
        if isinstance(name, str):
            return embedder(name)
        if self._ask is None:
            raise UserError(f"embedding with {name.model} needs a run, or the command line")
        return ServedModel(name, self._ask)


class Switchboard:
    """Asks embedding servers from a thread without an event loop, by way of the one that `stack` builds for."""

    def __init__(self, stack: Stack) -> None:
        self._loop, self._stack = asyncio.get_running_loop(), stack
        self._asked: dict[EmbeddingServer, tuple[EmbeddingClient, Teacher]] = {}

    def ask(self, server: EmbeddingServer, requests: Sequence[ChatRequest]) -> Sequence[Completion]:
        """Answers in the order of the requests. Not to be called in the loop's own thread: it blocks.

        Raises BudgetReached, and TeacherUnusable when one of them has no answer.
        """
        return asyncio.run_coroutine_threadsafe(self._all(server, requests), self._loop).result()

    async def _all(self, server: EmbeddingServer, requests: Sequence[ChatRequest]) -> list[Completion]:
        if server not in self._asked:
            client = EmbeddingClient(server)
            self._asked[server] = client, self._stack(client, settings_of(server))
        teacher = self._asked[server][1]
        answers = await asyncio.gather(*(teacher.complete(request) for request in requests), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, TeacherError):  # there is no single row that could fail in its stead
                raise TeacherUnusable(f"embedding with {server.model}: {answer}") from answer
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if isinstance(answer, Completion)]

    async def aclose(self) -> None:
        for client, _ in self._asked.values():
            await client.aclose()


def settings_of(server: EmbeddingServer) -> TeacherSettings:
    """What the layers around a client go by; embeddings have no output tokens to pay for."""
    price = None if server.price is None else Price(input=server.price, output=server.price)
    limits = server.model_dump(include={"max_concurrency", "timeout_s", "max_attempts"})
    return TeacherSettings(**limits, price=price)


def unrecorded(client: Client, settings: TeacherSettings) -> Teacher:
    """The layers without ledger and budget, for a command that is no run."""
    meter = Meter()
    limited = Limited(client, settings.max_concurrency, settings.timeout_s, meter, longest_pause_s=PATIENCE_S)
    return Retrying(limited, settings.max_attempts, meter)


def ask_alone(server: EmbeddingServer, requests: Sequence[ChatRequest]) -> Sequence[Completion]:
    """Answers of the server outside any run: no ledger, no budget."""

    async def answers() -> Sequence[Completion]:
        board = Switchboard(unrecorded)
        try:
            return await asyncio.to_thread(board.ask, server, requests)
        finally:
            await board.aclose()

    return asyncio.run(answers())
