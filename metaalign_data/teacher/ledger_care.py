"""A ledger that no run is at work on: what is in it, whether it is whole, and what can be saved of a damaged one."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from metaalign_data.errors import UserError
from metaalign_data.teacher.ledger import Totals, checksum
from metaalign_data.teacher.ledger_schema import check_version, prepare

GIVE_UP = 1000
"""Rows in a row that cannot be read, after which nothing more is looked for."""
COLUMNS = "key, model, finish_reason, prompt_tokens, completion_tokens, cost_usd, attempts, created_at, prompt, request"
ALL = f"{COLUMNS}, text, checksum"
_SCAN = f"SELECT rowid, {ALL} FROM completions NOT INDEXED WHERE rowid > ? ORDER BY rowid"  # noqa: S608  names of ours
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


def names_of_facts(path: Path, prefix: str) -> list[str]:
    """Names of what earlier runs found out that begin with `prefix`; none where the file cannot be read."""
    try:
        with closing(_read_only(path)) as connection:
            rows = connection.execute("SELECT name FROM facts WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
            return [name for (name,) in rows]
    except sqlite3.Error:
        return []


def set_aside(path: Path, keys: Iterable[str]) -> int:
    """Have these answers asked again the next time; they stay in the file, and in what it cost. Returns how many."""
    with closing(sqlite3.connect(path)) as connection, connection:
        sql = "UPDATE completions SET key = key || '~' || rowid WHERE key = ?"
        return sum(connection.execute(sql, (key,)).rowcount for key in keys)


def condition(path: Path) -> Condition:
    """Whether SQLite finds the file whole and each answer is as it was written. Changes nothing in the file.

    Raises UserError for a file that is no ledger of this version at all.
    """
    with _as_far_as_it_goes(path) as connection:
        missing = missing_bytes(path)
        flaws = [f"the last {missing:,} bytes of the file are gone"] if missing else _integrity(connection)
        read = Counter(map(_is_sound, _rows(connection)))
        total = max(_count(connection), read.total())
    if read[False]:
        flaws.append(f"{read[False]} answers are not as they were written")
    if total > read.total():
        flaws.append(f"{total - read.total()} answers cannot be read")
    return Condition(tuple(flaws), total, read[True])


def salvage(path: Path, out: Path) -> int:
    """Copy every answer that is as it was written, and what was found out, into a new ledger. Returns how many.

    Raises UserError where `out` is there already.
    """
    if out.exists():
        raise UserError("is there already", where=str(out), fix="name another file")
    with _as_far_as_it_goes(path) as connection, closing(sqlite3.connect(out)) as made:
        prepare(made, out)
        with made:
            saved = made.executemany(_COPY, (row for row in _rows(connection) if _is_sound(row))).rowcount
            with suppress(sqlite3.DatabaseError):  # they are found out again
                made.executemany("INSERT INTO facts VALUES (?, ?)", connection.execute("SELECT * FROM facts"))
    return saved


def _answer(row: tuple[Any, ...]) -> Answer:
    key, model, finish, prompt_tokens, completion_tokens, cost, attempts, created_at, prompt, request, text = row
    usd = None if cost is None else Decimal(cost)
    asked = json.loads(request)
    return Answer(key, model, finish, prompt_tokens, completion_tokens, usd, attempts, created_at, prompt, asked, text)


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; without a -wal file beside it, it makes no file either."""
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)


@contextmanager
def _as_far_as_it_goes(path: Path) -> Iterator[sqlite3.Connection]:
    """The ledger, or a copy that is filled up where the end of the file is gone: SQLite reads no file that is cut off.

    Raises UserError where it is no ledger that this version reads.
    """
    try:
        with TemporaryDirectory() as scratch:
            missing = missing_bytes(path)
            filled = Path(scratch) / path.name if missing else path
            if missing:
                shutil.copy(path, filled)
                with filled.open("ab") as file:
                    file.truncate(path.stat().st_size + missing)
            with closing(_read_only(filled)) as connection:
                check_version(connection, path)
                yield connection
    except sqlite3.Error as e:
        raise UserError(f"cannot be used as a ledger: {e}", where=str(path)) from e


def missing_bytes(path: Path) -> int:
    """How much of the file is gone, by the size that its header gives (https://www.sqlite.org/fileformat.html, 1.3)."""
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(b"SQLite format 3\0") or len(header) < 100:
        return 0
    page_size, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
    return max(0, (page_size if page_size > 1 else 65536) * pages - path.stat().st_size)


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
    """The columns ALL of each answer that can be read; where a damaged page ends the scan, it goes on behind it."""
    last = misses = 0
    while misses < GIVE_UP:
        try:
            for rowid, *row in connection.execute(_SCAN, (last,)):
                yield tuple(row)
                last, misses = rowid, 0
        except sqlite3.DatabaseError:
            last, misses = last + 1, misses + 1
        else:
            return


def _is_sound(row: tuple[Any, ...]) -> bool:
    """Whether a row of ALL is as it was written, as far as its checksum tells; version 1 wrote none."""
    *answer, _, _, _, text, kept = row
    needed = (*row[:5], *row[6:11])  # all but the cost, which may be unknown, and the checksum
    return None not in needed and kept in (None, checksum(*answer, text))
