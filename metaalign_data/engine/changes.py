"""What has changed in a recipe since a run directory was last used, and what that will ask anew."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import yaml

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.engine.context import StageContext
from metaalign_data.engine.counts import StageCounts
from metaalign_data.engine.feed import Feed
from metaalign_data.engine.flow import Flow
from metaalign_data.engine.folder import RunFolder
from metaalign_data.engine.manifest import read_manifest
from metaalign_data.engine.plan import RowStep, segments
from metaalign_data.engine.wiring import library_of, make_client
from metaalign_data.errors import UserError
from metaalign_data.prompting import Library
from metaalign_data.queries import BadRow, read_queries
from metaalign_data.queries.sources import content_hashes
from metaalign_data.recipe import Recipe
from metaalign_data.teacher.ledger import Ledger, ledger_key
from metaalign_data.teacher.settings import TeacherSettings
from metaalign_data.teacher.simulated import SimulatedTeacher
from metaalign_data.teacher.structured import Structured

SAMPLE = 5
"""Queries that are tried; enough to see which stages ask anew, and a rough figure of how much."""
LONGEST = 60


@dataclass(frozen=True)
class Change:
    """A key of the recipe and what it was and is, as a recipe writes it; "" where it was not there."""

    key: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.key}: {self.was or 'not there'} -> {self.now or 'not there'}"


@dataclass(frozen=True)
class StageCalls:
    """Calls of one stage for the sampled queries: how many in all, and how many of them the ledger has no answer to."""

    calls: int
    new: int


@dataclass(frozen=True)
class Changes:
    """`stages` says what each row stage will ask; it is empty where nothing was asked before. `queries` is how many the
    run will take, None where nobody knows.
    """

    changes: tuple[Change, ...]
    stages: Mapping[str, StageCalls] = field(default_factory=dict)
    queries: int | None = None

    @property
    def asks_anew(self) -> bool:
        return any(stage.new for stage in self.stages.values())

    def told(self) -> str:
        """All of it, for a person."""
        lines = ["this has changed since the directory was last used:", *(f"  {each}" for each in self.changes)]
        anew = {name: stage for name, stage in self.stages.items() if stage.new}
        if not self.stages:
            return "\n".join(lines)
        if not anew:
            return "\n".join([*lines, "of the first queries every answer is in the ledger: little or nothing is asked"])
        head = f"by the first {SAMPLE} queries, this will be asked anew, and paid for:"
        return "\n".join([*lines, head, *(f"  {name}: {self._calls(stage)}" for name, stage in anew.items())])

    def _calls(self, stage: StageCalls) -> str:
        share = f"about {stage.new / stage.calls:.0%} of its calls"
        return share if self.queries is None else f"{share}, some {ceil(stage.new * self.queries / SAMPLE):,}"


async def changes(recipe: Recipe, folder: RunFolder, ledger: Path) -> Changes | None:
    """What differs from the recipe, the prompts and the queries of the last run in `folder`, and whether its answers
    are gone; None where there was none, or nothing does.

    Asks nobody: what the ledger has no answer to, the simulated teacher answers. Raises UserError for an empty ledger
    that held answers.
    """
    if not folder.recipe.is_file():
        return None
    library = library_of(recipe)
    was, now = _flat(folder.recipe.read_text(encoding="utf-8")), _flat(recipe.dump())
    last = _last_manifest(folder.manifest)
    if "prompts" in last:
        was |= _prompts(last["prompts"])
        now |= _prompts([library.prompt(name).version for name in Library().names])
    if "queries_sha256" in last:
        was |= _contents(last["queries_sha256"])
        now |= _contents(content_hashes(recipe.queries, recipe.folder))
    if lost := _lost(last, ledger):
        was["ledger"] = lost
    found = tuple(_differences(was, now))
    if not found:
        return None
    return Changes(found, await _tried(recipe, library, ledger, anew=bool(lost)), _expected(recipe, last))


def _expected(recipe: Recipe, last: Mapping[str, Any]) -> int | None:
    """How many queries the run will take, as far as the last one knew; None for a target, which says it otherwise."""
    known = last.get("counts", {}).get("queries", {}).get("out")
    return None if known is None or recipe.dataset.target else min(known, recipe.queries.limit or known)


def _last_manifest(path: Path) -> dict[str, Any]:
    try:
        return read_manifest(path)
    except UserError:
        return {}


def _lost(last: Mapping[str, Any], ledger: Path) -> str:
    """The answers that were paid for and are not there any more, in words; "" where nothing is missing."""
    calls = last.get("cost", {}).get("calls", 0)
    if not calls:
        return ""
    if not ledger.exists():
        return f"{calls:,} answers"
    if not ledger.stat().st_size:
        fix = "restore it from a copy, or delete it to ask everything anew"
        raise UserError(f"is empty, and held {calls:,} answers", where=str(ledger), fix=fix)
    return ""


def _flat(text: str) -> dict[str, str]:
    """Dotted key -> value, as short text. A list of stages is taken by their names, other lists as a whole."""
    try:
        return dict(_leaves("", yaml.safe_load(text)))
    except yaml.YAMLError:
        return {"recipe.yaml": "cannot be read"}


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    elif path == "stages" and isinstance(value, list):
        names = [next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in value]
        yield path, " -> ".join(names)
        for entry in value:
            if isinstance(entry, dict):
                yield from _leaves(path, entry)
    else:
        shown = "null" if value is None else str(value)
        yield path, shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _prompts(versions: Iterable[str]) -> dict[str, str]:
    named = (version.partition("@") for version in versions)
    return {f"prompts.{name}": sha for name, _, sha in named}


def _contents(hashes: Mapping[str, str]) -> dict[str, str]:
    return {f"{key} (SHA-256 of the file)": sha[:12] for key, sha in hashes.items()}


def _differences(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for key in dict.fromkeys([*was, *now]):
        if was.get(key) != now.get(key):
            yield Change(key, was.get(key, ""), now.get(key, ""))


class _Peeking:
    """Answers from the ledger, whichever of the models wrote it, else as the simulated teacher would.

    Counts which stage asked what.
    """

    def __init__(
        self,
        models: Sequence[TeacherSettings],
        ledger: Ledger | None,
        stage: str,
        calls: Counter[str],
        new: Counter[str],
    ) -> None:
        self.identities = [make_client(settings).identity for settings in models]
        self.ledger, self.stage, self.calls, self.new = ledger, stage, calls, new
        self.simulated = SimulatedTeacher(SimulatedTeacher.Config())

    async def complete(self, request: ChatRequest) -> Completion:
        self.calls[self.stage] += 1
        for identity in self.identities:
            if self.ledger and (kept := self.ledger.get(ledger_key(identity, request))) is not None:
                return kept
        self.new[self.stage] += 1
        return await self.simulated.complete(request)


async def _tried(recipe: Recipe, library: Library, ledger: Path, *, anew: bool) -> dict[str, StageCalls]:
    """What the row stages before the first table stage ask for the first queries; nothing where there is no ledger,
    unless all is asked `anew`.
    """
    calls, new = Counter[str](), Counter[str]()
    book = _opened(ledger)
    if not (book or anew):
        return {}
    steps = next((segment for segment in segments(recipe.stage_specs) if isinstance(segment, tuple)), ())
    try:
        contexts = {step.name: _context(recipe, library, step, book, calls, new) for step in steps}
        flow = Flow(steps, contexts, {step.name: StageCounts() for step in steps})
        rows = (row for row in read_queries(recipe.queries, recipe.folder) if not isinstance(row, BadRow))
        for query in Feed(recipe, library).pass_over(islice(rows, SAMPLE)):
            if not isinstance(query, BadRow):
                await flow.run(query)
    finally:
        if book:
            await book.close()
    return {step.name: StageCalls(calls[step.name], new[step.name]) for step in steps if calls[step.name]}


def _opened(ledger: Path) -> Ledger | None:
    return Ledger.open(ledger) if ledger.exists() else None


def _context(
    recipe: Recipe, library: Library, step: RowStep, book: Ledger | None, calls: Counter[str], new: Counter[str]
) -> StageContext:
    def peeking(*models: TeacherSettings) -> Structured:
        return Structured(_Peeking(models, book, step.name, calls, new), library, models[0].json_attempts)

    weak = peeking(recipe.weak_teacher) if recipe.weak_teacher else None
    judges = tuple(map(peeking, recipe.judges))
    return StageContext(library, peeking(*recipe.teachers), judges, recipe.seed, step.name, weak, recipe.folder)
