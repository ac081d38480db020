"""Batches that are under way, in the run's ledger: whoever comes after a kill takes them over.

An entry is written before its batch is sent, and gets the batch's id once there is one. So a batch that was started an
instant before the end is found again by its mark.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from metaalign_data.teacher.budget import Spending
from metaalign_data.teacher.ledger import Ledger

PREFIX = "batch:"


@dataclass(frozen=True)
class Entry:
    """A batch: what it was asked (`keys` of the ledger) and what it can cost at most. `job` is "" until it was sent.

    `fingerprint` tells which API key sent it. Holds no secret.
    """

    mark: str
    identity: str
    fingerprint: str
    keys: tuple[str, ...]
    tokens: int
    usd: str
    made_at: str
    job: str = ""

    @property
    def most(self) -> Spending:
        return Spending(len(self.keys), self.tokens, Decimal(self.usd))


class Journal:
    """The entries of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def begin(self, identity: str, fingerprint: str, keys: Sequence[str], most: Spending) -> Entry:
        """Note that a batch is about to be sent. Returns once that is on disk, as `sent` and `drop` do."""
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        entry = Entry(uuid4().hex, identity, fingerprint, tuple(keys), most.tokens, str(most.usd), made_at)
        await self._write(entry)
        return entry

    async def sent(self, entry: Entry, job: str) -> None:
        await self._write(replace(entry, job=job))

    async def drop(self, entry: Entry) -> None:
        await self.ledger.drop_fact(PREFIX + entry.mark)

    def entries(self) -> list[Entry]:
        """In the order in which they were sent. Raises TeacherUnusable when the ledger cannot be read."""
        found = [_entry(value) for value in self.ledger.facts(PREFIX).values()]
        return sorted(found, key=lambda entry: (entry.made_at, entry.mark))

    def outstanding(self, entry: Entry) -> list[str]:
        """Keys of the batch that the ledger has no answer to."""
        return [key for key in entry.keys if self.ledger.get(key) is None]

    async def _write(self, entry: Entry) -> None:
        await self.ledger.put_fact(PREFIX + entry.mark, asdict(entry))


def _entry(value: dict[str, Any]) -> Entry:
    return Entry(**value | {"keys": tuple(value["keys"])})
