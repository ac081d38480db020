"""Counters of one run, read by whatever shows its progress."""

import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from metaalign_data.chat import Usage
from metaalign_data.teacher.trail import asker


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request without an answer yet: who asks, the prompt file that wrote it, and since when (monotonic, seconds)."""

    asker: str
    prompt: str
    since_s: float


@dataclass
class Meter:
    """What teacher and judge did together since the process started; the ledger holds what all runs did.

    `asked` counts requests that went to a server, `replayed` those that the ledger answered, `retries` the attempts
    after the first, `batched` the requests that wait for a batch. `parsed` and `malformed` count answers to questions
    that want JSON, replayed ones too: those that were what was asked for, and those that were not. `usd` is what is
    known of the cost; `unpriced_calls` counts the answers whose price is unknown.
    """

    asked: int = 0
    replayed: int = 0
    in_flight: int = 0
    batched: int = 0
    retries: int = 0
    parsed: int = 0
    malformed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: Decimal = Decimal(0)
    unpriced_calls: int = 0
    _open: dict[int, OpenRequest] = field(default_factory=dict)
    _watched: list[Set[str]] = field(default_factory=list)

    def paid(self, usage: Usage, cost: Decimal | None) -> None:
        """Add one answer. `cost` is in USD, None where the price is unknown."""
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        if cost is None:
            self.unpriced_calls += 1
        else:
            self.usd += cost

    @contextmanager
    def open(self, prompt: str) -> Iterator[None]:
        """Count a request as open while the body waits for its answer, retries and pauses included."""
        request = OpenRequest(asker(), prompt, time.monotonic())
        self._open[id(request)] = request
        try:
            yield
        finally:
            del self._open[id(request)]

    @property
    def open_requests(self) -> int:
        return len(self._open)

    @property
    def longest_open(self) -> OpenRequest | None:
        """The request that has waited longest, of those that wait."""
        return next(iter(self._open.values()), None)

    def watch(self, notices: Set[str]) -> None:
        """Include a client's notices, those that it will still make as well."""
        self._watched.append(notices)

    @property
    def notices(self) -> set[str]:
        """What servers were found to ignore or refuse, one sentence each."""
        return set().union(*self._watched)
