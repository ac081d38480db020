"""A dataset that audits itself: what a run made, held to the bars that a good one keeps."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.embed import HASHED_NGRAMS, embedder
from metaalign_data.engine.folder import write_atomically
from metaalign_data.engine.session import open_session
from metaalign_data.engine.wiring import library_of
from metaalign_data.errors import MetaalignError
from metaalign_data.neighbours import greedy_cover
from metaalign_data.report import context_free
from metaalign_data.report.coverage import coverage, matrix_coverage, standings
from metaalign_data.report.judging import biases, figures, read_votes
from metaalign_data.report.leaks import leak_checks, refusal_shares
from metaalign_data.report.rows import RunRows, read_run
from metaalign_data.report.shares import Check, counted

AUDIT = "audit.json"
NEAR = 0.92
"""Cosine from which two preferences count as one."""

Audit = dict[str, Any]
"""What audit.json holds: see docs/audit.md."""


def audit_run(root: Path, *, sample: int, ask_judge: bool) -> Audit:
    """Audit the run in `root` and write audit.json there.

    Of at most `sample` comparisons the judge is asked, through the run's ledger and budget; of none without
    `ask_judge`. What cannot be measured is named in `left_out` with the reason. Raises UserError where there is no
    dataset to audit, or another run is at work in the directory.
    """
    run = read_run(root)
    with run.folder.held():
        audit = _Audit(run)
        audit.run(sample if ask_judge else 0)
        write_atomically(root / AUDIT, (json.dumps(audit.found, indent=2, ensure_ascii=False) + "\n").encode())
    return audit.found


def stored_audit(run: RunRows) -> Audit | None:
    """The audit that was written of these very rows, None where there is none."""
    try:
        found = json.loads((run.folder.root / AUDIT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("fingerprint") == run.fingerprint else None


class _Audit:
    """One audit under way; `found` grows."""

    def __init__(self, run: RunRows) -> None:
        self.pairs, self.source = run.pairs, run
        self.checks: list[Check] = []
        self.found: Audit = {"fingerprint": run.fingerprint, "checks": [], "left_out": {}}

    def run(self, sample: int) -> None:
        with self._or_left_out("guessing without the meta-prompt"):
            self._guess(sample)
        with self._or_left_out("leaks from the responses alone"):
            self.checks += leak_checks(self.pairs)
        self._judging()
        self.checks += flip_checks(self.pairs)
        self.found["checks"] = [check.as_dict() for check in self.checks]
        self.found["figures"] = dataset_figures(self.pairs) | {
            "preferences_apart": preferences_apart(self.pairs),
            "refusals": refusal_shares(self.pairs),
            "standings": standings(self.pairs),
        }
        with self._or_left_out("coverage"):
            self._coverage()

    @contextmanager
    def _or_left_out(self, part: str) -> Iterator[None]:
        try:
            yield
        except MetaalignError as e:
            self.found["left_out"][part] = str(e)

    def _guess(self, sample: int) -> None:
        if not sample:
            self.found["left_out"]["guessing without the meta-prompt"] = "the judge was not to be asked"
            return
        rows = context_free.sampled(self.pairs, sample)
        guesses, asked = asyncio.run(_guesses(self.source, rows))
        self.checks += context_free.checks(rows, guesses)
        self.found["guesses"] = {
            "rows": rows.height,
            "answers": len(guesses.chosen),
            "first_share": guesses.first_share,
            "missing": dict(guesses.missing),
            **asked,
        }
        if guesses.missing:
            reasons = ", ".join(f"{reason} {n}" for reason, n in guesses.missing.items())
            self.found["left_out"]["some guesses without the meta-prompt"] = reasons

    def _judging(self) -> None:
        votes = read_votes(self.source.folder.root)
        self.found["judging"] = figures(votes)
        decided = votes.filter(pl.col("decided") != "tie")
        for scope, part in (("all comparisons", votes), ("decided comparisons", decided)):
            self._consistency(scope, biases(part)["swap_consistency"], part["comparison"].n_unique())

    def _consistency(self, scope: str, consistent: float | None, n: int) -> None:
        if consistent is None:
            why = "the run holds no votes on one comparison in both orders"
            self.found["left_out"][f"swap consistency of {scope}"] = why
            return
        meaning = "share of two votes, one in each order, that say the same"
        self.checks.append(Check("swap consistency", scope, counted(consistent * n, n), 0.90, 1.0, meaning))

    def _coverage(self) -> None:
        recipe = self.source.recipe()
        library = library_of(recipe)
        self.found["coverage"] = coverage(self.pairs, library.taxonomy(recipe.preferences.taxonomy))
        self.found["matrix"] = matrix_coverage(self.pairs, library.priorities(recipe.preferences.priorities))


async def _guesses(run: RunRows, rows: pl.DataFrame) -> tuple[context_free.Guesses, Mapping[str, int]]:
    """The judge's guesses, and how many of them were asked now and taken from the ledger."""
    recipe = run.recipe()
    library = library_of(recipe)
    async with open_session(recipe, run.folder.ledger, library) as session:
        guesses = await context_free.ask(rows, session.judges[0], library)
        return guesses, {"asked": session.meter.asked, "replayed": session.meter.replayed}


def flip_checks(pairs: pl.DataFrame) -> list[Check]:
    """Whether rows that share a flip_id are two rows with the same responses exchanged."""
    named = pairs.filter(pl.col("flip_id").is_not_null())
    if named.is_empty():
        return []
    share = counted(named.filter("in_flip").height, named.height)
    meaning = "share of rows with a flip_id whose one partner holds the same responses exchanged"
    return [Check("flips are whole", "rows with a flip_id", share, 1.0, 1.0, meaning)]


def preferences_apart(pairs: pl.DataFrame) -> int:
    """Distinct preference texts of which no two are near-duplicates (cosine of hashed n-grams, see NEAR)."""
    texts = pairs["preference"].unique().sort().to_list()
    vectors = embedder(HASHED_NGRAMS).embed(texts)
    return greedy_cover([vectors], NEAR, [None] * len(texts)).count(None)
