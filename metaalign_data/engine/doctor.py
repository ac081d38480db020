"""Whether a run directory is whole: the ledger, the tables, the dataset; and what can be saved where it is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.engine.accounts import unaccounted
from metaalign_data.engine.counts import counts_from
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import hashes, read_manifest
from metaalign_data.errors import UserError
from metaalign_data.teacher.ledger_care import condition

AGAIN = "run the same recipe again: tables and dataset are made anew from the ledger, and nothing is paid twice"
LEFTOVERS = (
    ".dataset.tmp",
    ".partial.tmp",
    ".failures",
    "rejects/.*",
    "tables/.*",
    "tables/*/*.tmp",
    "asked/*.tmp",
    ".*.tmp",
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `fix` says what to do where it is not `fine`."""

    about: str
    fine: bool
    what: str
    fix: str = ""


def examine(folder: RunFolder, ledger: Path) -> list[Finding]:
    """Everything that was found, good and bad; nothing is changed. `ledger` is the run's.

    A run that is at work is told as such: only its ledger is looked at. Raises UserError where there is no run.
    """
    if not folder.root.is_dir():
        raise UserError("there is no such directory", where=str(folder.root), fix="give the directory of a run")
    busy = folder.is_held()
    at_work = "a run is at work here" if busy else "no run is at work here"
    found = [Finding("lock", True, at_work), _ledger(ledger)]
    try:
        manifest = read_manifest(folder.manifest)
    except UserError as e:
        return [*found, Finding("manifest", False, e.what, AGAIN)]
    found.append(_state(manifest, busy=busy))
    if not busy:
        found += [_accounts(folder, manifest), *_dataset(folder, manifest), *_leftovers(folder)]
    return found


def _ledger(path: Path) -> Finding:
    if not path.exists():
        return Finding("ledger", False, "there is no ledger", "restore ledger.sqlite, or every question is asked anew")
    if not path.stat().st_size:
        return Finding("ledger", False, "is empty", "restore it from a copy, or delete it to ask everything anew")
    try:
        state = condition(path)
    except UserError as e:
        return Finding("ledger", False, e.what, "restore it from a copy, or move it away to ask everything anew")
    if not state.flaws:
        return Finding("ledger", True, f"{state.answers:,} answers, each as it was written")
    fix = (
        f"{state.readable:,} of {state.answers:,} answers can be saved: `metaalign-data doctor RUN --salvage FILE` "
        "copies them; put FILE in the ledger's place, and only the others are asked again"
    )
    return Finding("ledger", False, "; ".join(state.flaws), fix)


def _state(manifest: dict[str, Any], *, busy: bool) -> Finding:
    if manifest["state"] == "running" and not busy:
        return Finding("manifest", False, "the run was killed before its end", AGAIN)
    return Finding("manifest", True, f"{manifest['state']}: {manifest.get('verdict', '')}")


def _accounts(folder: RunFolder, manifest: dict[str, Any]) -> Finding:
    if manifest["state"] == "running":
        return Finding("rows", True, "not counted: the run has not ended")
    try:
        problems = unaccounted(counts_from(manifest.get("counts", {})), folder, ended=manifest["state"] == "done")
    except (OSError, pl.exceptions.PolarsError) as e:
        return Finding("rows", False, f"a table cannot be read: {e}", AGAIN)
    if problems:
        return Finding("rows", False, "; ".join(problems), AGAIN)
    return Finding("rows", True, "every row is accounted for: output, rejects and failures are those of the manifest")


def _dataset(folder: RunFolder, manifest: dict[str, Any]) -> Iterator[Finding]:
    expected = manifest.get("files")
    if not expected:
        stale = folder.dataset.exists()
        what = "there is one of an earlier run" if stale else "there is none"
        yield Finding("dataset", not stale, what, AGAIN if stale else "")
        return
    there = hashes(folder.dataset)
    wrong = [
        *(f"{name} is missing" for name in expected if name not in there),
        *(f"{name} was changed" for name in expected if name in there and there[name] != expected[name]),
        *(f"{name} is not of this run" for name in there if name not in expected),
    ]
    if wrong:
        yield Finding("dataset", False, "; ".join(wrong), AGAIN)
    else:
        yield Finding("dataset", True, f"{len(expected)} files, each as it was written")


def _leftovers(folder: RunFolder) -> Iterator[Finding]:
    left = sorted({str(path.relative_to(folder.root)) for name in LEFTOVERS for path in folder.root.glob(name)})
    if left:
        yield Finding("leftovers", False, f"unfinished files: {', '.join(left)}", AGAIN)
    if (folder.root / ".dataset.old").exists():
        whole = (
            "the dataset is in .dataset.old" if not folder.dataset.exists() else ".dataset.old is of no use any more"
        )
        yield Finding("leftovers", False, f"the run was killed while it put the dataset in place: {whole}", AGAIN)
