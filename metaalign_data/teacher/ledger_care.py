"""A ledger that no run is at work on: what is in it, whether it is whole, and what can be saved of a damaged one."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from metaalign_data.errors import UserError
from metaalign_data.teacher.ledger import ANSWER, Totals, check_version, checksum, prepare

GIVE_UP = 1000
"""Rows in a row that cannot be read, after which nothing more is looked for."""
COLUMNS = "key, model, finish_reason, prompt_tokens, completion_tokens, cost_usd, attempts, created_at, prompt, request"
ALL = f"{COLUMNS}, text, checksum"
_WHOLE = f"SELECT {ALL} FROM completions WHERE rowid = ?"  # noqa: S608  names of ours, here and below
_COPY = f"INSERT OR IGNORE INTO completions ({ALL}) VALUES ({', '.join('?' * len(ALL.split(', ')))})"  # noqa: S608
_SUMS_OF_USED = """
SELECT cost_usd, count(*), sum(prompt_tokens), sum(completion_tokens)
FROM used JOIN completions USING (key) GROUP BY cost_usd
"""
_BY_KEY = f"SELECT rowid, {COLUMNS}, text FROM completions WHERE key = ?"  # noqa: S608


@dataclass(frozen=True)
class Answer:
    """One answer as the ledger keeps it, with what was asked. `cost_usd` is None where the price was unknown."""

    key: str
    model: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None
    attempts: int
    created_at: str
    prompt: str
    request: dict[str, Any]
    text: str


@dataclass(frozen=True)
class Condition:
    """`flaws` are what is wrong, as sentences; `readable` of about `answers` answers can be saved."""

    flaws: tuple[str, ...]
    answers: int
    readable: int


def answers(path: Path, keys: Iterable[str]) -> list[Answer]:
    """The answers under these keys, in the order in which they came; what is not there is left out.

    Raises UserError when the file cannot be read.
    """
    found: list[tuple[int, Answer]] = []
    try:
        with closing(_read_only(path)) as connection:
            for key in keys:
                if row := connection.execute(_BY_KEY, (key,)).fetchone():
                    found.append((row[0], _answer(row[1:])))
    except sqlite3.Error as e:
        raise UserError(f"cannot be read: {e}", where=str(path), fix="`metaalign-data doctor` says more") from e
    return [answer for _, answer in sorted(found, key=lambda each: each[0])]


def totals_of(path: Path, keys: Iterable[str]) -> Totals:
    """What the answers under these keys took, each counted once."""
    with closing(_read_only(path)) as connection:
        connection.execute("CREATE TEMP TABLE used (key TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID")
        connection.executemany("INSERT OR IGNORE INTO used VALUES (?)", ((key,) for key in keys))
        sums = connection.execute(_SUMS_OF_USED).fetchall()
    found = Totals()
    for cost, calls, prompt_tokens, completion_tokens in sums:
        usd = None if cost is None else Decimal(cost) * calls
        found += Totals(calls, prompt_tokens, completion_tokens, usd)
    return found


def set_aside(path: Path, keys: Iterable[str]) -> int:
    """Have these answers asked again the next time; they stay in the file, and in what it cost. Returns how many."""
    with closing(sqlite3.connect(path)) as connection, connection:
        sql = "UPDATE completions SET key = key || '~' || rowid WHERE key = ?"
        return sum(connection.execute(sql, (key,)).rowcount for key in keys)


def condition(path: Path) -> Condition:
    """Whether SQLite finds the file whole and each answer is as it was written. Changes nothing in the file.

    Raises UserError for a file that is no ledger of this version at all.
    """
    _refuse_foreign(path)
    with closing(_read_only(path)) as connection:
        flaws = _integrity(connection)
        total, damaged, readable = _count(connection), 0, 0
        for row in _rows(connection):
            _, *answer, kept = row
            fine = kept is None or kept == checksum(*answer)
            readable, damaged = readable + fine, damaged + (not fine)
    if damaged:
        flaws.append(f"{damaged} answers are not as they were written")
    if readable + damaged < total:
        flaws.append(f"{total - readable - damaged} answers cannot be read")
    return Condition(tuple(flaws), max(total, readable + damaged), readable)


def salvage(path: Path, out: Path) -> int:
    """Copy every answer that is as it was written, and what was found out, into a new ledger. Returns how many.

    Raises UserError where `out` is there already.
    """
    if out.exists():
        raise UserError("is there already", where=str(out), fix="name another file")
    with closing(sqlite3.connect(out)) as made, closing(_read_only(path)) as connection:
        prepare(made, out)
        saved = 0
        with made:
            for rowid, *answer, kept in _rows(connection):
                if kept is not None and kept != checksum(*answer):
                    continue
                with suppress(sqlite3.DatabaseError):
                    made.execute(_COPY, connection.execute(_WHOLE, (rowid,)).fetchone())
                    saved += 1
            with suppress(sqlite3.DatabaseError):  # they are found out again
                made.executemany("INSERT INTO facts VALUES (?, ?)", connection.execute("SELECT * FROM facts"))
    return saved


def _answer(row: tuple[Any, ...]) -> Answer:
    key, model, finish, prompt_tokens, completion_tokens, cost, attempts, created_at, prompt, request, text = row
    usd = None if cost is None else Decimal(cost)
    asked = json.loads(request)
    return Answer(key, model, finish, prompt_tokens, completion_tokens, usd, attempts, created_at, prompt, asked, text)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _refuse_foreign(path: Path) -> None:
    """Raises UserError where `path` is no ledger that this version reads."""
    try:
        with closing(_read_only(path)) as connection:
            check_version(connection, path)
    except sqlite3.Error as e:
        raise UserError(f"cannot be used as a ledger: {e}", where=str(path)) from e


def _integrity(connection: sqlite3.Connection) -> list[str]:
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
    except sqlite3.Error as e:
        return [f"SQLite: {e}"]
    return [] if found == ["ok"] else [f"SQLite: {line}" for text in found for line in text.splitlines()[:10]]


def _count(connection: sqlite3.Connection) -> int:
    try:
        return int(connection.execute("SELECT count(*) FROM completions").fetchone()[0])
    except sqlite3.Error:
        return 0


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """(rowid, *ANSWER) of each answer that can be read; where a damaged page ends the scan, it goes on behind it."""
    sql = f"SELECT rowid, {ANSWER} FROM completions NOT INDEXED WHERE rowid > ? ORDER BY rowid"  # noqa: S608
    last = misses = 0
    while misses < GIVE_UP:
        try:
            for row in connection.execute(sql, (last,)):
                yield row
                last, misses = row[0], 0
        except sqlite3.DatabaseError:
            last, misses = last + 1, misses + 1
        else:
            return
