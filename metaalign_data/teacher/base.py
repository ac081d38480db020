"""The one boundary of every model: a request in, a completion out."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from metaalign_data.chat import ChatRequest, Completion


class Unreachable(str):
    """A reason why a client cannot work that may pass by itself: nobody answers there."""


class Teacher(Protocol):
    """What a stage sees of a model."""

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer `request`. Raises TeacherError when there is no usable answer."""
        ...


@runtime_checkable
class Client(Teacher, Protocol):
    """A provider: one attempt at one request, no retries, no cache, no limit; those are layers around it (stack.py).

    A class that implements it has a nested frozen pydantic `Config` with the provider's own keys of the recipe's
    `teacher:` block, and is built as `cls(config)`.
    """

    @property
    def model(self) -> str:
        """The model's name, as rows record it."""
        ...

    @property
    def identity(self) -> str:
        """All of the set-up that shapes an answer, as a string: part of the ledger's key. Holds no secret."""
        ...

    def check(self) -> Sequence[str]:
        """Every reason why this client cannot work (key, model, server), asked without cost; empty when it can.

        One that is about nobody being there is `Unreachable`.
        """
        ...

    async def probe(self) -> dict[str, object]:
        """What the server honours, found out by a few small requests; {} where there is nothing to find out."""
        ...

    def remember(self, facts: dict[str, object]) -> None:
        """Take the result of an earlier `probe`, so that it is asked once in the life of a run directory."""
        ...

    async def aclose(self) -> None: ...
