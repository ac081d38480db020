"""Every answer that was paid for, in one SQLite file: resuming a run is asking the same questions again.

An answer is on disk before anyone sees it. `synchronous=FULL` holds that against a power cut too; its price, an fsync
for each commit, is shared by all answers that arrive while the one before is under way (group commit).
"""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from metaalign_data.chat import ChatRequest, Completion, Message, Usage
from metaalign_data.errors import TeacherUnusable, UserError
from metaalign_data.records import digest
from metaalign_data.teacher.ledger_schema import prepare
from metaalign_data.teacher.schema import schema_text

_GET = """
SELECT key, model, finish_reason, prompt_tokens, completion_tokens, cost_usd, attempts, text, checksum
FROM completions WHERE key = ?
"""
_PUT = "INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_FACT = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
_FACTS = "SELECT name, value FROM facts WHERE substr(name, 1, ?) = ?"
_DROP_FACT = "DELETE FROM facts WHERE name = ?"
_SUMS = """
SELECT model, cost_usd, count(*), sum(prompt_tokens), sum(completion_tokens) FROM completions GROUP BY model, cost_usd
"""


def ledger_key(identity: str, request: ChatRequest) -> str:
    """32 hex digits: a hash of all that shapes the answer. `identity` is the client's."""
    schema = schema_text(request.output) if request.output else ""
    return digest(identity, request.shaping, schema, size=16)


def checksum(*answer: object) -> str:
    """16 hex digits over key, model, finish_reason, both token counts, cost_usd, attempts and text of an answer.

    A flipped bit is an error then, not an answer. One that was set aside ("KEY~N") keeps the checksum that it had.
    """
    key, *rest = map(str, answer)
    return digest(key.partition("~")[0], *rest)


@dataclass(frozen=True)
class Totals:
    """What a ledger's answers took. `usd` is None as soon as the price of one of them is unknown."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: Decimal | None = Decimal(0)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
        )


@dataclass(frozen=True)
class _Write:
    sql: str
    row: Sequence[Any]
    done: asyncio.Future[None]


class Ledger:
    """Reads on the caller's thread (a look-up takes microseconds), writes on one of its own. Made by `Ledger.open`."""

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self.path = path
        self._sums = {(model, cost): tuple(sums) for model, cost, *sums in reader.execute(_SUMS)}
        self._reader, self._writer = reader, writer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting: list[_Write] = []
        self._flushing: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        """The ledger in `path`, made where there is none. Raises UserError for a broken or foreign file."""
        try:
            writer = _connect(path)
            return cls(path, _connect(path), writer)
        except sqlite3.Error as e:
            raise _unreadable(path, e) from e

    def get(self, key: str) -> Completion | None:
        """The answer under `key`, or None. Raises TeacherUnusable when the file has become unreadable."""
        row = self._find(_GET, key)
        if row is None:
            return None
        *answer, kept = row
        if kept is not None and kept != checksum(*answer):
            what = f"{self.path}: the answer {key} is damaged"
            raise TeacherUnusable(f"{what}; `metaalign-data doctor` on the run directory says what can be saved")
        _, model, finish_reason, prompt_tokens, completion_tokens, _, attempts, text = answer
        usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
        return Completion(text=text, model=model, usage=usage, finish_reason=finish_reason, attempts=attempts)

    async def put(self, key: str, request: ChatRequest, answer: Completion, cost: Decimal | None) -> None:
        """Returns once the answer is on disk. The first answer under a key stays.

        Raises TeacherUnusable when it cannot be written: a run that cannot keep what it pays for has to stop.
        """
        usage, usd = answer.usage, None if cost is None else str(cost)
        told = (key, answer.model, answer.finish_reason, usage.prompt_tokens, usage.completion_tokens, usd)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        sealed = checksum(*told, answer.attempts, answer.text)
        await self._write(_PUT, (*told, answer.attempts, now, request.prompt, request.shaping, answer.text, sealed))

    async def put_expense(self, what: str, model: str, usage: Usage, cost: Decimal | None) -> None:
        """Keep what was paid for something that no request will ask for again: a probe, a reply without an answer.

        Returns once it is on disk. Raises TeacherUnusable as `put` does.
        """
        request = ChatRequest(messages=(Message(role="user", content=what),), prompt=what)
        await self.put(f"{what}:{uuid4().hex}", request, Completion(text="", model=model, usage=usage), cost)

    def fact(self, name: str) -> dict[str, Any] | None:
        """What `put_fact` kept under this name, or None."""
        row = self._find("SELECT value FROM facts WHERE name = ?", name)
        return None if row is None else dict(json.loads(row[0]))

    async def put_fact(self, name: str, value: dict[str, Any]) -> None:
        """Keep something found out, JSON-able, in place of what was there. Returns once it is on disk."""
        await self._write(_PUT_FACT, (name, json.dumps(value)))

    def facts(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Every fact whose name begins with `prefix`, by name. Raises TeacherUnusable as `get` does."""
        try:
            rows = self._reader.execute(_FACTS, (len(prefix), prefix)).fetchall()
        except sqlite3.Error as e:
            raise TeacherUnusable(f"{self.path}: the ledger cannot be read: {e}") from e
        return {name: json.loads(value) for name, value in rows}

    async def drop_fact(self, name: str) -> None:
        """Forget what `put_fact` kept. Returns once that is on disk."""
        await self._write(_DROP_FACT, (name,))

    def by_model(self) -> dict[str, Totals]:
        """What the answers of each model took."""
        found: dict[str, Totals] = {}
        for (model, cost), (calls, prompt_tokens, completion_tokens) in self._sums.items():
            usd = None if cost is None else Decimal(cost) * calls
            found[model] = found.get(model, Totals()) + Totals(calls, prompt_tokens, completion_tokens, usd)
        return found

    def totals(self) -> Totals:
        """What all answers took, over every run that used this ledger."""
        return sum(self.by_model().values(), Totals())

    async def close(self) -> None:
        """Write what is waiting and close the file."""
        if self._flushing:
            await self._flushing
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    def _find(self, sql: str, key: str) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._reader.execute(sql, (key,)).fetchone()
        except sqlite3.Error as e:
            raise TeacherUnusable(f"{self.path}: the ledger cannot be read: {e}") from e
        return row

    async def _write(self, sql: str, row: Sequence[Any]) -> None:
        """The row is written even when the one who waits for it is cancelled: it is paid for."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(sql, row, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def _flush(self) -> None:
        """One commit after the other until nobody waits; what comes while one is under way shares the next."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            error: TeacherUnusable | None = None
            try:
                self._add(await loop.run_in_executor(self._thread, self._commit, batch))
            except Exception as e:  # whatever it is, those who wait must hear of it
                error = TeacherUnusable(f"{self.path}: the ledger cannot be written: {e}; nothing more is asked")
            for write in batch:
                if write.done.cancelled():
                    continue
                if error:
                    write.done.set_exception(error)
                else:
                    write.done.set_result(None)
        self._flushing = None

    def _commit(self, batch: Sequence[_Write]) -> list[_Write]:
        """Those of the writes that were new to the file."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            new = [write for write in batch if self._writer.execute(write.sql, write.row).rowcount]
            self._writer.execute("COMMIT")
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            raise
        return new

    def _add(self, writes: Sequence[_Write]) -> None:
        """Keep the sums up to date, so that nobody has to read the whole file for them."""
        for write in writes:
            if write.sql is _PUT:
                _, model, _, prompt_tokens, completion_tokens, cost = write.row[:6]
                before = self._sums.get((model, cost), (0, 0, 0))
                added = (1, prompt_tokens, completion_tokens)
                self._sums[model, cost] = tuple(map(sum, zip(before, added, strict=True)))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    try:
        prepare(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _unreadable(path: Path, error: sqlite3.Error) -> UserError:
    fix = "`metaalign-data doctor` on the run directory says what can be saved of it"
    return UserError(f"cannot be used as a ledger: {error}", where=str(path), fix=fix)
