"""From a recipe to a dataset: what `metaalign-data run` and `from metaalign_data import run` do."""

import asyncio
import contextlib
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from metaalign_data.dataset.export import Rows, write_dataset
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.engine.accounts import unaccounted
from metaalign_data.engine.changes import Changes, changes
from metaalign_data.engine.collecting import rare_collections
from metaalign_data.engine.context import StageContext
from metaalign_data.engine.embedding import Embedding
from metaalign_data.engine.feed import Feed
from metaalign_data.engine.flow import Stopped, TooManyFailures
from metaalign_data.engine.folder import RunFolder, write_atomically
from metaalign_data.engine.manifest import State, hashes, software, write_manifest
from metaalign_data.engine.partial import whole_rows
from metaalign_data.engine.plan import segments
from metaalign_data.engine.preflight import preflight
from metaalign_data.engine.progress import Progress, showing
from metaalign_data.engine.run import QUERIES, Runner
from metaalign_data.engine.session import Session, met_before, open_session
from metaalign_data.engine.stopping import stop_on_signals
from metaalign_data.engine.target import Target, with_cut
from metaalign_data.engine.verdict import biggest_losses, done_sentence
from metaalign_data.engine.watchdog import Watchdog
from metaalign_data.engine.wiring import library_of
from metaalign_data.errors import BudgetReached, TeacherUnusable, UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import Read, read_queries
from metaalign_data.queries.sources import content_hashes, query_sources
from metaalign_data.recipe import Recipe, StageSpec
from metaalign_data.registry import summary_of
from metaalign_data.report.judging import judging_figures
from metaalign_data.teacher.ledger_care import totals_of

T = TypeVar("T")
LOG = logging.getLogger(__name__)

NOTE_EVERY_S = 5.0

INTERRUPTED = "run the same recipe again to go on"
BURNING = "; nothing more was asked. Mend the cause and run the same recipe again, or raise run.max_failure_rate"
EXIT_CODE: dict[State, int] = {"done": 0, "failed": 1, "budget_reached": 3, "interrupted": 130}


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    `state` is done, failed, budget_reached or interrupted (the last two resume by running the same recipe again);
    `verdict` says so in a sentence. `manifest` is what manifest.json holds.
    """

    folder: Path
    state: State
    verdict: str
    manifest: dict[str, Any]

    @property
    def dataset(self) -> Path:
        """Folder of the finished dataset, for `datasets.load_dataset`."""
        return self.folder / "dataset"

    def pairs(self) -> pl.DataFrame:
        """The preference pairs of all splits, with a `split` column. Raises UserError where the run made no dataset."""
        if self.manifest["dataset"] is None:
            raise UserError(f"the run has made no dataset: {self.verdict}", where=str(self.folder))
        return RunFolder(self.folder).pairs()


def _log_change(found: Changes) -> bool:
    LOG.warning(found.told())
    return True


def run(recipe: Recipe | str | Path, **options: Any) -> RunResult:
    """`arun` for callers without an event loop."""
    return asyncio.run(arun(recipe, **options))


async def arun(
    recipe: Recipe | str | Path,
    *,
    out: Path | str | None = None,
    ledger: Path | None = None,
    limit: int | None = None,
    simulate: bool = False,
    serial: bool = False,
    progress: bool = False,
    on_change: Callable[[Changes], bool] = _log_change,
) -> RunResult:
    """Make the dataset of `recipe` (a Recipe, a file, or the name of a bundled one) in the run directory `out`.

    The same call again resumes: what is in the run's ledger is not asked again. `limit` caps the number of queries,
    `simulate` takes the simulated teacher instead of the recipe's, `serial` asks one request at a time, for debugging,
    `progress` shows it on stderr. `ledger` may name the ledger of another run directory, which is held as well. Where
    the recipe is not the one that the directory was last used with, `on_change` hears what has changed and what that
    will ask anew, and says whether to go on. Raises UserError when recipe, queries, keys or servers are not in order,
    before anything is asked, where it is not to go on, and where files cannot be written.
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    if simulate:
        recipe = recipe.simulated()
    if limit is not None:
        recipe = recipe.limited(limit)
    folder = RunFolder(Path(out) if out else default_folder(recipe, simulate=simulate))
    library = library_of(recipe)
    preflight(recipe, library, met_before(ledger or folder.ledger))
    found = await changes(recipe, folder, ledger or folder.ledger)
    if found and not on_change(found):
        raise UserError("nothing was asked and nothing was changed", fix="name another directory to keep this one")
    elsewhere = ledger is not None and ledger.parent.resolve() != folder.root.resolve()
    home = RunFolder(ledger.parent).held() if ledger and elsewhere else contextlib.nullcontext()
    with home, folder.opened(), rare_collections():
        try:
            write_atomically(folder.recipe, recipe.dump().encode())
            once = _Run(recipe, folder, library, ledger or folder.ledger, serial=serial)
            return await once.run(show=progress)
        except OSError as e:
            raise UserError(f"cannot be written: {e}; every answer so far is kept", where=str(folder.root)) from e


def default_folder(recipe: Recipe, *, simulate: bool) -> Path:
    """Where a run goes when nobody says: a rehearsal must not mix with the real run."""
    return Path("runs") / (f"{recipe.name}-simulated" if simulate else recipe.name)


class _Run:
    """One run, from an open run directory to the manifest."""

    def __init__(self, recipe: Recipe, folder: RunFolder, library: Library, ledger: Path, *, serial: bool) -> None:
        self.recipe, self.folder, self.library, self.ledger, self.serial = recipe, folder, library, ledger, serial
        self.feed = Feed(recipe, library)
        pairs = recipe.dataset.target
        self.target = Target(self.feed, self._queries, pairs, recipe.dataset.max_candidates) if pairs else None
        self.notes: set[str] = set()
        self.figures: dict[str, Any] | None = None
        self.sources = query_sources(recipe.queries)
        self.queries_sha256 = content_hashes(recipe.queries, recipe.folder)
        self.partial: Rows | None = None
        self.started_at = datetime.now(UTC)
        self.clock_s = time.monotonic()

    async def run(self, *, show: bool) -> RunResult:
        asked = self.recipe.serial() if self.serial else self.recipe
        async with open_session(asked, self.ledger, self.library) as session:
            runner = self._runner(session)
            watchdog = Watchdog(runner, session.meter, self.recipe.run.stall_after_s)
            told = self.target.told if self.target else None
            shown = showing(Progress(runner, session.meter, told, watchdog)) if show else contextlib.nullcontext()
            beside = [asyncio.create_task(work) for work in (self._keep_noting(runner, session), watchdog.watch())]
            try:
                with stop_on_signals(runner.stop, self.recipe.run.grace_s) as signals:
                    async with shown:
                        state, verdict, dataset = await self._to_the_end(runner, session)
            finally:
                for task in beside:
                    task.cancel()
            if runner.cut_short and signals.heard < 2:
                self._note(runner, session, state, verdict)
                self.partial = await self._what_is_whole(runner, session)
            return self._note(runner, session, state, verdict, dataset)

    async def _what_is_whole(self, runner: Runner, session: Session) -> Rows | None:
        """A dataset of the rows that were whole when the run was stopped, in `partial`; None where nothing came of it.

        Nothing is asked for it, and a signal leaves it out.
        """
        try:
            with stop_on_signals(lambda _: None, 0.0), tempfile.TemporaryDirectory(dir=self.folder.root) as scratch:
                file = await whole_rows(segments(runner.specs), self.folder, runner.contexts, Path(scratch))
                if file is None:
                    return None
                facts = self._facts(runner, session, judging_figures(self.folder.root))
                facts = replace(facts, name=f"{facts.name} (partial)")
                return await _to_its_end(asyncio.to_thread(write_dataset, [file], self.folder.partial, facts))
        except asyncio.CancelledError:
            return None
        except Exception as e:  # whatever is wrong with it, how the run ended is told all the same
            LOG.warning("there is no partial dataset: %s", e)
            return None

    async def _keep_noting(self, runner: Runner, session: Session) -> None:
        """For `status`, which reads nothing but the manifest."""
        while True:
            self._note(runner, session, "running", "the run has not ended")
            await asyncio.sleep(NOTE_EVERY_S)

    def _runner(self, session: Session) -> Runner:
        embedding = Embedding(self.folder.vectors, session.embedding.ask)

        def context(stage: str) -> StageContext:
            return StageContext(
                library=self.library,
                teacher=session.teacher,
                judges=session.judges,
                seed=self.recipe.seed,
                stage=stage,
                weak_teacher=session.weak_teacher,
                folder=self.recipe.folder,
                notes=self.notes,
                embedding=embedding,
            )

        models = (*self.recipe.teachers, *self.recipe.judges)
        window = 1 if self.serial else max(settings.rows_in_work for settings in models)
        specs: Sequence[StageSpec] = self.recipe.stage_specs
        queries = self.recipe.queries
        total = None if queries.harmful else queries.limit  # harmful ones come on top of the limit, who knows how many
        if self.target:
            specs, total = with_cut(specs, self.target.quotas), None
        return Runner(
            specs,
            self.folder,
            context,
            window=window,
            rows_total=total,
            serial=self.serial,
            max_failure_rate=self.recipe.run.max_failure_rate,
            on_stop=session.stop,
        )

    def _queries(self) -> Iterator[Read]:
        return read_queries(self.recipe.queries, self.recipe.folder)

    async def _rows(self, runner: Runner) -> pl.LazyFrame:
        if self.target:
            return await runner.run(self.target.next_round({}) or (), self.target.next_round)
        return await runner.run(self.feed.pass_over(self._queries()))

    async def _to_the_end(self, runner: Runner, session: Session) -> tuple[State, str, Rows | None]:
        try:
            await self._rows(runner)
            if problems := unaccounted(runner.counts, self.folder):
                return "failed", "rows are unaccounted for: " + "; ".join(problems), None
            pairs = runner.counts[runner.specs[-1].name].made
            if not pairs:
                return "failed", "no pair came out: " + biggest_losses(runner.counts), None
            rows = await _to_its_end(asyncio.to_thread(self._write, runner, session))
        except BudgetReached as e:
            return "budget_reached", f"{e}; raise the budget and run the same recipe again to go on", None
        except Stopped:
            return "interrupted", INTERRUPTED, None
        except asyncio.CancelledError:
            if not runner.stopped:
                raise
            return "interrupted", INTERRUPTED, None
        except TooManyFailures as e:
            return "failed", f"{e}{BURNING}", None
        except (TeacherUnusable, UserError) as e:
            return "failed", str(e), None
        except (OSError, pl.exceptions.PolarsError) as e:
            return "failed", f"{e}; every answer so far is in the ledger, run the same recipe again to go on", None
        return "done", done_sentence(runner.counts, pairs, self.target), rows

    def _write(self, runner: Runner, session: Session) -> Rows:
        files = self.folder.parts(runner.specs[-1].name)
        self.figures = dataset_figures(pl.scan_parquet(files)) | {"judging": judging_figures(self.folder.root)}
        facts = self._facts(runner, session, self.figures["judging"])
        return write_dataset(files, self.folder.dataset, facts)

    def _facts(self, runner: Runner, session: Session, judging: Mapping[str, Any]) -> DatasetFacts:
        recipe, totals = self.recipe, totals_of(self.ledger, self.folder.keys())
        return DatasetFacts(
            name=recipe.name,
            recipe_yaml=recipe.dump(),
            seed=recipe.seed,
            license=recipe.dataset.license,
            language=recipe.dataset.language,
            pretty_name=recipe.dataset.pretty_name,
            teacher_model=session.teacher_model,
            judge_model=session.judge_model,
            simulated=session.simulated,
            versions=software(),
            stages={
                QUERIES: "Reads the queries.",
                **{spec.name: summary_of(type(spec.stage)) for spec in runner.specs},
            },
            counts={name: c.as_dict() for name, c in runner.counts.items()},
            judging=judging,
            sources=self.sources,
            cost_usd=totals.usd,
            tokens=totals.tokens,
        )

    def _note(
        self, runner: Runner, session: Session, state: State, verdict: str, dataset: Rows | None = None
    ) -> RunResult:
        """Write the manifest as things stand; where that fails at the end, so has the run."""
        totals = session.ledger.totals()
        manifest = {
            "state": state,
            "verdict": verdict,
            "updated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": self.recipe.name,
            "seed": self.recipe.seed,
            "recipe_folder": str(self.recipe.folder.resolve()),
            "ledger": os.path.relpath(self.ledger, self.folder.root),
            "recipe_sha256": hashlib.sha256(self.recipe.dump().encode()).hexdigest(),
            "queries_sha256": self.queries_sha256,
            "prompts": [self.library.prompt(name).version for name in Library().names],
            "teacher": session.teacher_model,
            "judge": session.judge_model,
            "simulated": session.simulated,
            "server_honours": session.facts,
            "notices": sorted(session.meter.notices | self.notes),
            "counts": {name: c.as_dict() for name, c in runner.counts.items()},
            "cost": {
                "calls": totals.calls,
                "prompt_tokens": totals.prompt_tokens,
                "completion_tokens": totals.completion_tokens,
                "usd": None if totals.usd is None else str(totals.usd),
            },
            "this_time": {
                "asked": session.meter.asked,
                "replayed": session.meter.replayed,
                "started_at": self.started_at.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self.clock_s, 3),
            },
            "target": self.target
            and {
                "pairs": self.target.pairs,
                "missing": self.target.missing,
                "candidates": self.target.candidates,
                "max_candidates": self.target.max_candidates,
                "rounds": self.target.rounds,
            },
            "dataset": dataset,
            "files": dataset and hashes(self.folder.dataset),
            "partial": self.partial,
            "figures": self.figures,
            "sources": self.sources,
            "versions": software(),
        }
        try:
            write_manifest(self.folder.manifest, manifest)
        except OSError as e:
            if state != "running":  # where a note on the way cannot be written, rows cannot either: these end the run
                state, verdict = "failed", f"{verdict}; manifest.json cannot be written: {e.strerror}"
        return RunResult(self.folder.root, state, verdict, manifest)


async def _to_its_end(work: Awaitable[T]) -> T:
    """The result of `work`, which takes seconds and is not to be left half done, cancelled or not."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await task
