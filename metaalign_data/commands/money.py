"""batches and trust: what is pending, and who may see which key."""

import argparse
import asyncio
import json
from pathlib import Path

from metaalign_data.engine.folder import RunFolder
from metaalign_data.errors import UserError
from metaalign_data.teacher.batch.journal import Entry, Journal
from metaalign_data.teacher.ledger import Ledger
from metaalign_data.teacher.openai import trust as trusted


def batches(args: argparse.Namespace) -> int:
    folder = RunFolder(Path(args.run))
    if not folder.ledger.is_file():
        raise UserError("no run here: ledger.sqlite is missing", where=args.run, fix="give the directory of a run")
    if args.forget:
        with folder.held():
            entries = asyncio.run(_forget(folder.ledger, args.forget))
    else:
        entries = asyncio.run(_entries(folder.ledger))
    if args.json:
        print(json.dumps([_shown(entry) for entry in entries]))
        return 0
    for entry in entries:
        state = "pending" if entry.job else "being sent when the run ended"
        print(f"{entry.job or entry.mark}  {len(entry.keys):,} requests, sent {entry.made_at}, {state}")
    if not entries:
        print("no batch is pending")
    return 0


def trust(args: argparse.Namespace) -> int:
    if args.key and args.host:
        trusted.remember(args.key, args.host)
    elif args.key:
        raise UserError("a key is trusted to a host", fix="say: metaalign-data trust KEY_VARIABLE HOST")
    pairs = trusted.remembered()
    if args.json:
        print(json.dumps([{"key": key, "host": host} for key, host in pairs]))
        return 0
    for key, host in pairs:
        print(f"{key} may be sent to {host}")
    if not pairs:
        print("no key was trusted to any host but its own")
    return 0


async def _entries(path: Path) -> list[Entry]:
    ledger = Ledger.open(path)
    try:
        journal = Journal(ledger)
        return [entry for entry in journal.entries() if journal.outstanding(entry)]
    finally:
        await ledger.close()


async def _forget(path: Path, name: str) -> list[Entry]:
    """The batches that are left. Raises UserError where there is none of this name."""
    ledger = Ledger.open(path)
    try:
        journal = Journal(ledger)
        entries = journal.entries()
        given_up = [entry for entry in entries if name in (entry.job, entry.mark)]
        if not given_up:
            raise UserError(f"no batch {name} is pending", where=str(path))
        for entry in given_up:
            await journal.drop(entry)
        return [entry for entry in entries if entry not in given_up]
    finally:
        await ledger.close()


def _shown(entry: Entry) -> dict[str, object]:
    return {"batch": entry.job, "mark": entry.mark, "requests": len(entry.keys), "sent": entry.made_at}
