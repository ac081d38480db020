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
        lines = ["the recipe has changed since this directory was last used:", *(f"  {each}" for each in self.changes)]
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
    """What differs from the recipe and the prompts of the last run in `folder`; None where there was none, or nothing
    does.

    Asks nobody: what the ledger has no answer to, the simulated teacher answers.
    """
    if not folder.recipe.is_file():
        return None
    library = library_of(recipe)
    was, now = _flat(folder.recipe.read_text(encoding="utf-8")), _flat(recipe.dump())
    if (prompts := _last_prompts(folder.manifest)) is not None:
        was |= _prompts(prompts)
        now |= _prompts([library.prompt(name).version for name in Library().names])
    found = tuple(_differences(was, now))
    if not found:
        return None
    return Changes(found, await _tried(recipe, library, ledger), _expected(recipe, folder.manifest))


def _expected(recipe: Recipe, manifest: Path) -> int | None:
    """How many queries the run will take, as far as the last one knew; None for a target, which says it otherwise."""
    try:
        known = int(read_manifest(manifest)["counts"]["queries"]["out"])
    except (UserError, KeyError):
        return None
    return None if recipe.dataset.target else min(known, recipe.queries.limit or known)


def _last_prompts(manifest: Path) -> list[str] | None:
    try:
        return list(read_manifest(manifest)["prompts"])
    except (UserError, KeyError):
        return None


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


def _differences(was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for key in dict.fromkeys([*was, *now]):
        if was.get(key) != now.get(key):
            yield Change(key, was.get(key, ""), now.get(key, ""))


class _Peeking:
    """Answers from the ledger, whichever of the models wrote it, else as the simulated teacher would.

    Counts which stage asked what.
    """

    def __init__(
        self, models: Sequence[TeacherSettings], ledger: Ledger, stage: str, calls: Counter[str], new: Counter[str]
    ) -> None:
        self.identities = [make_client(settings).identity for settings in models]
        self.ledger, self.stage, self.calls, self.new = ledger, stage, calls, new
        self.simulated = SimulatedTeacher(SimulatedTeacher.Config())

    async def complete(self, request: ChatRequest) -> Completion:
        self.calls[self.stage] += 1
        for identity in self.identities:
            if (kept := self.ledger.get(ledger_key(identity, request))) is not None:
                return kept
        self.new[self.stage] += 1
        return await self.simulated.complete(request)


async def _tried(recipe: Recipe, library: Library, ledger: Path) -> dict[str, StageCalls]:
    """What the row stages before the first table stage ask for the first queries."""
    calls, new = Counter[str](), Counter[str]()
    if not (book := _opened(ledger)):
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
        await book.close()
    return {step.name: StageCalls(calls[step.name], new[step.name]) for step in steps if calls[step.name]}


def _opened(ledger: Path) -> Ledger | None:
    return Ledger.open(ledger) if ledger.exists() else None


def _context(
    recipe: Recipe, library: Library, step: RowStep, book: Ledger, calls: Counter[str], new: Counter[str]
) -> StageContext:
    def peeking(*models: TeacherSettings) -> Structured:
        return Structured(_Peeking(models, book, step.name, calls, new), library, models[0].json_attempts)

    weak = peeking(recipe.weak_teacher) if recipe.weak_teacher else None
    judges = tuple(map(peeking, recipe.judges))
    return StageContext(library, peeking(*recipe.teachers), judges, recipe.seed, step.name, weak, recipe.folder)
