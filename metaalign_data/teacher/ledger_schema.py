"""The tables of a ledger's file, and how a file is told to be one."""

import sqlite3
from pathlib import Path

from metaalign_data.errors import UserError

APPLICATION_ID = 0x4D41_4C47  # "MALG", which tells a ledger from any other SQLite file
VERSION = 2

# The long columns come last: sums over the short ones then skip their overflow pages.
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE completions (
    key TEXT PRIMARY KEY NOT NULL,
    model TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cost_usd TEXT,                       -- decimal; NULL where the price was unknown
    attempts INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    prompt TEXT NOT NULL,                -- version of the prompt file that wrote the request
    request TEXT NOT NULL,
    text TEXT NOT NULL,
    checksum TEXT                        -- see `checksum`; NULL in what version 1 wrote
);
CREATE TABLE facts (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""
_FROM_1 = f"""
BEGIN IMMEDIATE;
ALTER TABLE completions ADD COLUMN checksum TEXT;
PRAGMA user_version = {VERSION};
COMMIT;
"""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file, bring an old one up to date, and refuse a file of somebody else."""
    application, version = _marks(connection)
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    if empty and not application and not version:
        connection.executescript(_SCHEMA)
    elif (application, version) == (APPLICATION_ID, 1):
        connection.executescript(_FROM_1)
    else:
        check_version(connection, path)


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises UserError where the file is no ledger, or one of another version."""
    application, version = _marks(connection)
    if application != APPLICATION_ID:
        raise UserError("is a database, but no ledger", where=str(path), fix="name another file")
    if version != VERSION:
        raise UserError(
            f"was written by another version of metaalign-data (ledger format {version}, this one reads {VERSION})",
            where=str(path),
            fix="install that version, or start a new run directory",
        )


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,), (version,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    return application, version
