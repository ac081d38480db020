"""From a recipe to a dataset: what `metaalign-data run` and `from metaalign_data import run` do."""

import asyncio
import contextlib
import hashlib
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from metaalign_data.dataset.export import write_dataset
from metaalign_data.dataset.facts import DatasetFacts
from metaalign_data.dataset.figures import dataset_figures
from metaalign_data.engine.context import StageContext
from metaalign_data.engine.counts import unbalanced
from metaalign_data.engine.embedding import Embedding
from metaalign_data.engine.feed import Feed
from metaalign_data.engine.flow import Stopped
from metaalign_data.engine.folder import RunFolder, write_atomically
from metaalign_data.engine.manifest import State, software, write_manifest
from metaalign_data.engine.preflight import preflight
from metaalign_data.engine.progress import Progress, showing
from metaalign_data.engine.run import Runner
from metaalign_data.engine.session import Session, open_session
from metaalign_data.engine.target import Target, with_cut
from metaalign_data.engine.wiring import library_of
from metaalign_data.errors import BudgetReached, TeacherUnusable, UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import Read, read_queries
from metaalign_data.queries.sources import query_sources
from metaalign_data.recipe import Recipe, StageSpec
from metaalign_data.report.judging import judging_figures

Rows = dict[str, dict[str, int]]
"""Number of rows by config and split."""

NOTE_EVERY_S = 5.0

INTERRUPTED = "run the same recipe again to go on"
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
    progress: bool = False,
) -> RunResult:
    """Make the dataset of `recipe` (a Recipe, a file, or the name of a bundled one) in the run directory `out`.

    The same call again resumes: what is in the run's ledger is not asked again. `limit` caps the number of queries,
    `simulate` takes the simulated teacher instead of the recipe's, `progress` shows it on stderr. `ledger` may name
    another file than `out`/ledger.sqlite. Raises UserError when recipe, queries, keys or servers are not in order,
    before anything is asked.
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    if simulate:
        recipe = recipe.simulated()
    if limit is not None:
        recipe = recipe.limited(limit)
    folder = RunFolder(Path(out) if out else default_folder(recipe, simulate=simulate))
    library = library_of(recipe)
    preflight(recipe, library)
    with folder.opened():
        write_atomically(folder.recipe, recipe.dump().encode())
        return await _Run(recipe, folder, library, ledger or folder.ledger).run(show=progress)


def default_folder(recipe: Recipe, *, simulate: bool) -> Path:
    """Where a run goes when nobody says: a rehearsal must not mix with the real run."""
    return Path("runs") / (f"{recipe.name}-simulated" if simulate else recipe.name)


class _Run:
    """One run, from an open run directory to the manifest."""

    def __init__(self, recipe: Recipe, folder: RunFolder, library: Library, ledger: Path) -> None:
        self.recipe, self.folder, self.library, self.ledger = recipe, folder, library, ledger
        self.feed = Feed(recipe, library)
        pairs = recipe.dataset.target
        self.target = Target(self.feed, self._queries, pairs, recipe.dataset.max_candidates) if pairs else None
        self.notes: set[str] = set()
        self.figures: dict[str, Any] | None = None
        self.started_at = datetime.now(UTC)
        self.clock_s = time.monotonic()

    async def run(self, *, show: bool) -> RunResult:
        async with open_session(self.recipe, self.ledger, self.library) as session:
            runner = self._runner(session)
            told = self.target.told if self.target else None
            shown = showing(Progress(runner, session.meter, told)) if show else contextlib.nullcontext()
            notes = asyncio.create_task(self._keep_noting(runner, session))
            try:
                with stop_on_signals(session):
                    async with shown:
                        state, verdict, dataset = await self._to_the_end(runner, session)
            finally:
                notes.cancel()
            return self._note(runner, session, state, verdict, dataset)

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

        window = 2 * max(s.max_concurrency for s in (self.recipe.teacher, *self.recipe.judges))
        specs: Sequence[StageSpec] = self.recipe.stage_specs
        total = self.recipe.queries.limit
        if self.target:
            specs, total = with_cut(specs, self.target.quotas), None
        return Runner(specs, self.folder, context, window=window, rows_total=total)

    def _queries(self) -> Iterator[Read]:
        return read_queries(self.recipe.queries, self.recipe.folder)

    async def _rows(self, runner: Runner) -> pl.LazyFrame:
        if self.target:
            return await runner.run(self.target.next_round({}) or (), self.target.next_round)
        return await runner.run(self.feed.pass_over(self._queries()))

    async def _to_the_end(self, runner: Runner, session: Session) -> tuple[State, str, Rows | None]:
        try:
            pairs = await self._rows(runner)
        except BudgetReached as e:
            return "budget_reached", f"{e}; raise the budget and run the same recipe again to go on", None
        except Stopped:
            return "interrupted", INTERRUPTED, None
        except asyncio.CancelledError:
            if not session.stopping:
                raise
            return "interrupted", INTERRUPTED, None
        except (TeacherUnusable, UserError) as e:
            return "failed", str(e), None
        except OSError as e:
            return "failed", f"{e}; every answer so far is in the ledger, run the same recipe again to go on", None
        if problems := unbalanced(runner.counts):
            return "failed", "rows are unaccounted for: " + "; ".join(problems), None
        frame = pairs.collect()
        if frame.is_empty():
            return "failed", "no pair came out: " + biggest_losses(runner), None
        self.figures = dataset_figures(frame) | {"judging": judging_figures(self.folder.root)}
        rows = write_dataset(frame, self.folder.dataset, self._facts(runner, session, self.figures["judging"]))
        return "done", done_sentence(runner, frame.height, self.target), rows

    def _facts(self, runner: Runner, session: Session, judging: Mapping[str, Any]) -> DatasetFacts:
        recipe, totals = self.recipe, session.ledger.totals()
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
            counts={name: c.as_dict() for name, c in runner.counts.items()},
            judging=judging,
            sources=query_sources(recipe.queries),
            cost_usd=totals.usd,
            tokens=totals.tokens,
        )

    def _note(
        self, runner: Runner, session: Session, state: State, verdict: str, dataset: Rows | None = None
    ) -> RunResult:
        """Write the manifest as things stand."""
        totals = session.ledger.totals()
        manifest = {
            "state": state,
            "verdict": verdict,
            "updated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": self.recipe.name,
            "seed": self.recipe.seed,
            "recipe_sha256": hashlib.sha256(self.recipe.dump().encode()).hexdigest(),
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
            "figures": self.figures,
            "versions": software(),
        }
        write_manifest(self.folder.manifest, manifest)
        return RunResult(self.folder.root, state, verdict, manifest)


@contextlib.contextmanager
def stop_on_signals(session: Session) -> Iterator[None]:
    """Ctrl-C or SIGTERM: nothing new is asked, answers in flight are kept; a second one ends at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if session.stopping or task is None:
            if task is not None:
                task.cancel()
        else:
            session.stop(Stopped("interrupted"))

    handled = []
    for signum in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(
            NotImplementedError, RuntimeError, ValueError
        ):  # not on Windows, not off the main thread
            loop.add_signal_handler(signum, stop)
            handled.append(signum)
    try:
        yield
    finally:
        for signum in handled:
            loop.remove_signal_handler(signum)


def done_sentence(runner: Runner, pairs: int, target: Target | None = None) -> str:
    failed = sum(c.failed for c in runner.counts.values())
    tail = f"; {failed} rows failed (failures.parquet): {_frequent(runner, 'failed')}" if failed else ""
    if target and target.missing:
        lack = ", ".join(f"{n} {subset}" for subset, n in target.missing.items())
        tail = f"; short of the target of {target.pairs}: {lack} are missing after {target.candidates} candidates{tail}"
    return f"{pairs} pairs{tail}"


def biggest_losses(runner: Runner) -> str:
    """Which stages lost how many rows for what, the most frequent reason first."""
    lost = []
    for name, c in runner.counts.items():
        if gone := c.rejected + c.failed:
            reasons = ", ".join(f"{reason} {n}" for reason, n in c.reasons.most_common(3))
            lost.append(f"{name} lost {gone} of {c.taken} rows ({reasons})")
    return "; ".join(lost) or "the queries are empty"


def _frequent(runner: Runner, ending: str) -> str:
    reasons = sum((c.reasons for c in runner.counts.values()), Counter[str]())
    return ", ".join(f"{r.removeprefix(f'{ending}: ')} {n}" for r, n in reasons.most_common() if r.startswith(ending))
