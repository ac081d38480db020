"""Names of stages and teachers, and the classes behind them, loaded when they are asked for.

Built-in ones stand in a table here. Those of other packages are entry points in the groups `metaalign_data.stages` and
`metaalign_data.teachers`. No name may belong to two of them.
"""

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.records import Record
from metaalign_data.stage import Reject, Stage

Kind = Literal["stage", "teacher"]

BUILT_IN: Mapping[Kind, Mapping[str, str]] = {
    "stage": {
        "sample_preferences": "metaalign_data.stages.sample_preferences:SamplePreferences",
        "take_responses": "metaalign_data.stages.take_responses:TakeResponses",
        "explain_pairs": "metaalign_data.stages.explain_pairs:ExplainPairs",
        "check_preferences": "metaalign_data.stages.check_preferences:CheckPreferences",
        "generate_responses": "metaalign_data.stages.generate_responses:GenerateResponses",
        "judge": "metaalign_data.stages.judge:Judge",
        "pair": "metaalign_data.stages.pair:Pair",
        "dedup": "metaalign_data.stages.dedup:Dedup",
        "decontaminate": "metaalign_data.stages.decontaminate:Decontaminate",
        "split": "metaalign_data.stages.split:Split",
    },
    "teacher": {
        "openai": "metaalign_data.teacher.openai:OpenAITeacher",
        "transformers": "metaalign_data.teacher.transformers:TransformersTeacher",
        "simulated": "metaalign_data.teacher.simulated:SimulatedTeacher",
    },
}


def stage_names() -> tuple[str, ...]:
    """Built-in stages in the order of the default chain, then those of other packages."""
    return _names("stage")


def teacher_names() -> tuple[str, ...]:
    """Built-in providers, then those of other packages."""
    return _names("teacher")


def stage_class(name: str) -> type:
    """Raises UserError when the name is unknown, belongs to two packages, or its package is broken."""
    return _find("stage", name)


def teacher_class(name: str) -> Any:
    """The Client class of a provider. Raises UserError as `stage_class` does."""
    return _find("teacher", name)


def load_object(spec: str, folder: Path) -> type:
    """The class that `use: "module:Class"` names; the module may lie in `folder`. Runs the module's code.

    Raises UserError when there is no such module or class, when the module raises, or when another module of the same
    name hides it.
    """
    module_name, _, class_name = spec.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), class_name)):
        raise UserError(f"'{spec}' is not of the form module:Class")
    with _importable(folder):
        try:
            module = import_module(module_name)
        except Exception as e:  # it is the user's code: whatever it raises, they need to know where
            raise UserError(f"module '{module_name}' cannot be imported: {type(e).__name__}: {e}") from e
    _refuse_hidden(module_name, folder)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        names = [name for name, v in vars(module).items() if getattr(v, "__module__", None) == module_name]
        raise UserError(f"module '{module_name}' has no class '{class_name}'{did_you_mean(class_name, names)}")
    return found


def config_of(cls: type) -> type[BaseModel]:
    """The model of the settings of a stage or teacher: its nested `Config`, or one without any key."""
    config = getattr(cls, "Config", None)
    return config if isinstance(config, type) and issubclass(config, BaseModel) else _NoSettings


def summary_of(cls: type) -> str:
    """What a stage does: the first line of its docstring, "" where it has none."""
    return (inspect.getdoc(cls) or "").split("\n")[0]


def make_stage(cls: type, config: Mapping[str, Any] | BaseModel) -> Stage:
    """A stage with these settings. Raises pydantic.ValidationError when they do not fit its `Config`."""
    model = config_of(cls)
    settings = model.model_validate(config)
    stage: Stage = cls() if model is _NoSettings else cls(settings)
    return stage


def stage_types(cls: type) -> tuple[type[Record], type[Record]] | None:
    """What a row stage takes and gives, from the type hints of `process`; None for a table stage.

    Raises UserError when `cls` is no stage, or its hints do not say.
    """
    process, transform = getattr(cls, "process", None), getattr(cls, "transform", None)
    if (process is None) == (transform is None):
        raise UserError(f"{cls.__name__} is not a stage: it needs either 'async def process' or 'def transform'")
    if process is None:
        return None
    if not inspect.iscoroutinefunction(process):
        raise UserError(f"{cls.__name__}.process must be an 'async def'")
    try:
        hints = typing.get_type_hints(process)
    except (NameError, TypeError, AttributeError) as e:
        raise UserError(f"the type hints of {cls.__name__}.process cannot be read: {e}") from e
    row = next(iter(list(inspect.signature(process).parameters)[1:]), "")
    taken, given = hints.get(row), _given(hints.get("return"))
    if not _is_record(taken) or len(given) != 1:
        raise UserError(
            f"{cls.__name__}.process does not say what it takes and gives",
            fix="annotate it as (self, row: SomeRecord, ctx: Context) -> Sequence[OtherRecord | Reject]",
        )
    return typing.cast(type[Record], taken), given[0]


class _NoSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _given(hint: object) -> list[type[Record]]:
    """The record types in `Sequence[Out | Reject]`; Reject itself and everything else left out."""
    (inner,) = typing.get_args(hint)[:1] or (None,)
    is_union = typing.get_origin(inner) in (typing.Union, types.UnionType)
    options = typing.get_args(inner) if is_union else (inner,)
    return (
        [] if any(not _is_record(o) and o is not Reject for o in options) else [o for o in options if o is not Reject]
    )


def _is_record(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Record)


def _names(kind: Kind) -> tuple[str, ...]:
    others = sorted({ep.name for ep in _entry_points(kind, tuple(sys.path))} - BUILT_IN[kind].keys())
    return (*BUILT_IN[kind], *others)


def _find(kind: Kind, name: str) -> type:
    claims = [ep for ep in _entry_points(kind, tuple(sys.path)) if ep.name == name]
    owners = ["metaalign-data itself"] * (name in BUILT_IN[kind]) + [_owner(ep) for ep in claims]
    if not owners:
        raise UserError(f"unknown {kind} '{name}'{did_you_mean(name, _names(kind))}")
    if len(owners) > 1:
        raise UserError(f"{kind} '{name}' is registered by {' and by '.join(owners)}", fix="uninstall one of them")
    if not claims:
        module, _, cls = BUILT_IN[kind][name].partition(":")
        built_in: type = getattr(import_module(module), cls)
        return built_in
    try:
        found = claims[0].load()
    except Exception as e:  # somebody else's code: whatever it raises, say whose it is
        raise UserError(f"{kind} '{name}' of {owners[0]} cannot be loaded: {type(e).__name__}: {e}") from e
    if not isinstance(found, type):
        raise UserError(f"{kind} '{name}' of {owners[0]} is not a class")
    return found


@cache
def _entry_points(kind: Kind, search_path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Reading the metadata of every installed package takes a while; the answer follows from `sys.path`."""
    return tuple(entry_points(group=f"metaalign_data.{kind}s"))


def _owner(ep: EntryPoint) -> str:
    return f"{ep.dist.name} {ep.dist.version}" if ep.dist else ep.value


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """`folder` at the end of sys.path: a file in it can never stand in for a library."""
    entry = str(folder.resolve())
    invalidate_caches()
    sys.path.append(entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _refuse_hidden(module: str, folder: Path) -> None:
    top = module.partition(".")[0]
    own = {(folder / f"{top}.py").resolve(), (folder / top / "__init__.py").resolve()}
    imported = Path(sys.modules[top].__file__ or "").resolve()
    if imported not in own and any(file.is_file() for file in own):
        raise UserError(f"the module name '{top}' is taken by {imported}", fix=f"rename the one in {folder}")
