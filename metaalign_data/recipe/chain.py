"""`stages:`: from the entries of a recipe to stages with their settings."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from metaalign_data.embed import HASHED_NGRAMS
from metaalign_data.errors import UserError
from metaalign_data.recipe.fit import misfits
from metaalign_data.recipe.flaws import Flaw, Path, flaws_of, reject, shown_value
from metaalign_data.records import AnsweredQuery, Query
from metaalign_data.registry import BUILT_IN, config_of, load_object, make_stage, stage_class, stage_types
from metaalign_data.stage import Stage

DEFAULT_CHAIN = (
    "sample_preferences",
    "check_preferences",
    "generate_responses",
    "judge",
    "pair",
    "dedup",
    "split",
)
SAMPLER = "sample_preferences"
"""The stage whose settings also stand at the top of a recipe, as `preferences:` and `subsets:`."""


@dataclass(frozen=True)
class StageSpec:
    """A stage of a recipe. `name` is unique in the chain, `config` are its settings as plain data.

    `entry` is what the recipe calls it: a registered name, or "module:Class".
    """

    name: str
    stage: Stage = field(compare=False)
    config: Mapping[str, Any]
    entry: str = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(cls)


def offline(spec: StageSpec) -> StageSpec:
    """The stage, with hashed-ngrams in place of an embedding server."""
    if not isinstance(spec.config.get("embedder"), Mapping):
        return spec
    config = {**spec.config, "embedder": HASHED_NGRAMS}
    return replace(spec, stage=make_stage(type(spec.stage), config), config=config)


@dataclass(frozen=True)
class Loading:
    """Where a recipe's own Python may come from, and whether it may be run."""

    folder: FilePath = FilePath()
    trust: bool = True


def build_chain(entries: object, info: ValidationInfo) -> tuple[StageSpec, ...]:
    """A pydantic validator of the field `stages`; takes `preferences` and `subsets` from the fields before it."""
    if not isinstance(entries, list | tuple):
        reject([Flaw((), f"must be a list of stages, is {shown_value(entries)}")])
    if not entries:
        reject([Flaw((), "needs at least one stage")])
    preferences = info.data.get("preferences")
    shared = {} if preferences is None else preferences.model_dump()
    if "subsets" in info.data:
        shared["subsets"] = info.data["subsets"]
    loading = info.context if isinstance(info.context, Loading) else Loading()
    specs: list[StageSpec | None] = []
    flaws: list[Flaw] = []
    for i, (entry, name) in enumerate(zip(entries, entry_names(entries), strict=True)):
        try:
            specs.append(_build(entry, name or "", loading, shared))
        except _BadEntry as e:
            specs.append(None)
            flaws.extend(flaw.under((i,)) for flaw in e.flaws)
    queries = info.data.get("queries")
    source = AnsweredQuery if queries and queries.answered else Query
    flaws.extend(misfits([(spec.name, spec.stage) if spec else None for spec in specs], source))
    if flaws:
        reject(flaws)
    return tuple(spec for spec in specs if spec)


def entry_names(entries: Sequence[object]) -> list[str | None]:
    """The name of each entry in a chain; a second "judge" is "judge-2". None where the entry has no form of one."""
    count: Counter[str] = Counter()
    names: list[str | None] = []
    for entry in entries:
        name = _own_name(entry)
        if name:
            count[name] += 1
        names.append(f"{name}-{count[name]}" if name and count[name] > 1 else name)
    return names


def dump_entry(spec: StageSpec) -> object:
    """The entry as a recipe writes it."""
    if ":" in spec.entry:
        return {"use": spec.entry, "with": dict(spec.config)} if spec.config else {"use": spec.entry}
    return {spec.entry: dict(spec.config)} if spec.config else spec.entry


class _BadEntry(Exception):
    def __init__(self, *flaws: Flaw) -> None:
        self.flaws = flaws


def _own_name(entry: object) -> str | None:
    match entry:
        case StageSpec():
            return entry.entry if ":" not in entry.entry else _snake(entry.entry.rpartition(":")[2])
        case str():
            return entry
        case {"use": str(spec)}:
            return _snake(spec.rpartition(":")[2])
        case dict():
            return str(next(iter(entry))) if len(entry) == 1 else None
        case None | bool() | int() | float() | list():
            return None
        case _:
            return _snake(type(entry).__name__)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _build(entry: object, name: str, loading: Loading, shared: Mapping[str, Any]) -> StageSpec:
    match entry:
        case StageSpec():
            return StageSpec(name, entry.stage, entry.config, entry.entry)
        case str():
            return _registered(entry, {}, name, shared)
        case {"use": str(spec), **others}:
            return _used(spec, others, name, loading)
        case dict() if len(entry) == 1:
            ((key, settings),) = entry.items()
            return _registered(str(key), settings, name, shared)
        case dict():
            keys = ", ".join(map(str, entry))
            raise _BadEntry(Flaw((), f"an entry is one stage, this one has keys {keys}; indent its settings"))
        case None | bool() | int() | float() | list():
            raise _BadEntry(Flaw((), f"must be the name of a stage, is {shown_value(entry)}"))
        case _:
            return _object(entry, name)


def _registered(key: str, settings: object, name: str, shared: Mapping[str, Any]) -> StageSpec:
    try:
        cls = stage_class(key)
    except UserError as e:
        raise _BadEntry(Flaw((), str(e))) from e
    return StageSpec(name, *_made(cls, settings, (key,), shared if key == SAMPLER else {}), key)


def _used(spec: str, others: Mapping[Any, Any], name: str, loading: Loading) -> StageSpec:
    if foreign := [key for key in others if key != "with"]:
        fix = "settings of a stage that is named by 'use' stand under 'with'"
        raise _BadEntry(*(Flaw((key,), f"unknown key '{key}'; {fix}", foreign_key=True) for key in foreign))
    if not loading.trust:
        warning = f"'use: {spec}' runs Python that the recipe names; if you trust it, add --trust-recipe"
        raise _BadEntry(Flaw((), warning))
    try:
        cls = load_object(spec, loading.folder)
    except UserError as e:
        raise _BadEntry(Flaw(("use",), str(e))) from e
    return StageSpec(name, *_made(cls, others.get("with"), ("with",), {}), spec)


def _made(cls: type, settings: object, path: Path, shared: Mapping[str, Any]) -> tuple[Stage, dict[str, Any]]:
    """The stage and its settings with every default, less those that stand at the top of the recipe (`shared`)."""
    if settings is not None and not isinstance(settings, Mapping):
        raise _BadEntry(Flaw(path, f"must be a block of settings, is {shown_value(settings)}"))
    model = config_of(cls)
    try:
        stage_types(cls)
        config = model.model_validate({**shared, **(settings or {})})
        return make_stage(cls, config), config.model_dump(mode="json", exclude=set(shared))
    except ValidationError as e:
        raise _BadEntry(*(flaw.under(path) for flaw in flaws_of(e, model))) from e
    except UserError as e:
        raise _BadEntry(Flaw((), str(e))) from e


def _object(stage: Any, name: str) -> StageSpec:
    """A stage that Python made. It is written down with the settings that it keeps as `config`, if it keeps them."""
    cls = type(stage)
    try:
        stage_types(cls)
    except UserError as e:
        raise _BadEntry(Flaw((), str(e))) from e
    config = getattr(stage, "config", None)
    settings = config.model_dump(mode="json") if isinstance(config, BaseModel) else {}
    spec = f"{cls.__module__}:{cls.__qualname__}"
    built_in = next((key for key, value in BUILT_IN["stage"].items() if value == spec), None)
    return StageSpec(name, stage, settings, built_in or spec)
