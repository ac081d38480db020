"""Several models behind one name: who is asked is drawn by the request, and another one where that one is down."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import TeacherDown, TeacherError
from metaalign_data.records import digest
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.breaker import DOWN, Breaker

ROUNDS = 20
"""How often all of them are found down before a request is given up."""
STAND_IN = 1_000_000
"""Between the samples that a judge gives for itself and those that it gives for another."""


@dataclass(frozen=True)
class Member:
    """One model: all layers around it, its share of the requests, and whether it has answered a request before."""

    identity: str
    weight: float
    teacher: Teacher
    breaker: Breaker
    has_answered: Callable[[ChatRequest], bool]


class Several:
    """The draw is a hash of the request, so a run that is repeated or resumed asks the same models.

    An answer that is in the ledger is given whoever wrote it and whoever is up. The row says which model it was.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)

    @property
    def models(self) -> frozenset[str]:
        return frozenset(model for member in self.members for model in getattr(member.teacher, "models", ()))

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises what `first_answer` raises."""
        return await first_answer([(member, request) for member in drawn(self.members, request)])


class StoodInFor:
    """One judge, and the others in its stead while it is down.

    Who stands in is asked for another `sample` of the question: its vote is not the one that it gives for itself.
    """

    def __init__(self, judge: Member, others: Sequence[Member]) -> None:
        self.judge, self.others = judge, tuple(others)

    @property
    def models(self) -> frozenset[str]:
        """The judge's own: who stands in may have written what is judged."""
        return frozenset(getattr(self.judge.teacher, "models", ()))

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises what `first_answer` raises."""
        instead = enumerate(self.others, 1)
        asked = [(member, request.again(request.sample + place * STAND_IN)) for place, member in instead]
        return await first_answer([(self.judge, request), *asked])


async def first_answer(order: Sequence[tuple[Member, ChatRequest]]) -> Completion:
    """What the ledger holds of these, else the answer of the first one that is up.

    Raises the error of the first one where all fail, TeacherDown where all stay down.
    """
    for member, request in order:
        if member.has_answered(request):
            return await member.teacher.complete(request)
    for _ in range(ROUNDS):
        failures: list[TeacherError] = []
        for member, request in order:
            try:
                return await member.teacher.complete(request)
            except TeacherError as e:
                if e.reason not in DOWN:
                    raise
                failures.append(e)
        if none_rests := [e for e in failures if not isinstance(e, TeacherDown)]:
            if len(none_rests) == len(order):
                raise none_rests[0]
            continue
        await asyncio.sleep(min(member.breaker.rests_s for member, _ in order))
    raise TeacherDown("none of the models answers")


def drawn(members: Sequence[Member], request: ChatRequest) -> list[Member]:
    """All of them, the one to ask first, then those to ask in its stead: a weighted order without replacement.

    u^(1/weight) with u uniform, largest first (Efraimidis and Spirakis 2006); u is a hash of model and request.
    """

    def lot(member: Member) -> float:
        u = (int(digest("teacher", member.identity, request.shaping), 16) + 1) / 2**64
        return float(u ** (1 / member.weight))

    return sorted(members, key=lot, reverse=True)
