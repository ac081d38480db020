"""Shorthands of a recipe, written out: a judge that takes keys of the teacher, preferences that stand in a stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from metaalign_data.recipe.chain import SAMPLER
from metaalign_data.recipe.flaws import Flaw, Path
from metaalign_data.recipe.teacher_block import flat, inherited
from metaalign_data.registry import BUILT_IN
from metaalign_data.stages.sampling.settings import PreferenceSettings
from metaalign_data.teacher.settings import TeacherSettings


@dataclass
class Settled:
    """`origins` says, for a value that was moved or copied, where it was written."""

    data: dict[str, Any]
    origins: dict[Path, Path] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)

    def written(self, flaw: Flaw) -> Flaw:
        """The flaw at the path where its value was written."""
        for n in range(len(flaw.path), 0, -1):
            if origin := self.origins.get(flaw.path[:n]):
                return flaw._replace(path=(*origin, *flaw.path[n:]))
        return flaw


def settle(data: Mapping[str, Any]) -> Settled:
    """The same recipe without shorthands. Settling twice changes nothing."""
    settled = Settled(dict(data))
    _settle_judge(settled)
    _settle_weak_teacher(settled)
    _settle_preferences(settled)
    return settled


def _settle_judge(settled: Settled) -> None:
    data = settled.data
    teacher, judge = data.get("teacher"), data.get("judge")
    if isinstance(judge, list | tuple) and len(judge) == 1:
        data["judge"] = judge = judge[0]
        settled.origins["judge",] = ("judge", 0)
    if judge is None:
        settled.origins["judge",] = ("teacher",)
        data.pop("judge", None)
        if "teacher" in data:
            data["judge"] = teacher
        return
    teacher = _first(teacher)
    if not isinstance(teacher, Mapping):
        return
    if isinstance(judge, list | tuple):
        data["judge"] = [_with_teachers_keys(settled, each, teacher, ("judge", i)) for i, each in enumerate(judge)]
    else:
        data["judge"] = _with_teachers_keys(settled, judge, teacher, ("judge",))


def _settle_weak_teacher(settled: Settled) -> None:
    teacher, weak = _first(settled.data.get("teacher")), settled.data.get("weak_teacher")
    if isinstance(teacher, Mapping) and weak is not None:
        settled.data["weak_teacher"] = _with_teachers_keys(settled, weak, teacher, ("weak_teacher",))


def _first(teacher: object) -> object:
    """The block whose keys judges take over, as a recipe writes it."""
    if isinstance(teacher, list | tuple) and teacher:
        teacher = teacher[0]
    return flat(teacher) if isinstance(teacher, TeacherSettings) else teacher


def _with_teachers_keys(settled: Settled, judge: object, teacher: Mapping[str, Any], path: Path) -> object:
    """The block of a judge, written out; as it is where it is none."""
    if not isinstance(judge, Mapping):
        return judge
    keys = inherited(teacher, judge)
    place: Path = ("teacher", 0) if isinstance(settled.data.get("teacher"), list | tuple) else ("teacher",)
    settled.origins.update({(*path, key): (*place, key) for key in keys})
    return {**{key: teacher[key] for key in keys}, **judge}


def _settle_preferences(settled: Settled) -> None:
    stages = settled.data.get("stages")
    if not isinstance(stages, list | tuple):
        return
    stages = [_sampler_written_out(entry) for entry in stages]
    for i, entry in enumerate(stages):
        match entry:
            case {"sample_preferences": dict(settings)} if len(entry) == 1:
                stages[i] = {SAMPLER: {key: v for key, v in settings.items() if not _hoist(settled, i, key, v)}}
    settled.data["stages"] = stages


def _sampler_written_out(entry: object) -> object:
    """A sampler that Python made as its settings, which belong to the top of the recipe; any other entry as it is."""
    cls = type(entry)
    if f"{cls.__module__}:{cls.__qualname__}" != BUILT_IN["stage"][SAMPLER]:
        return entry
    config: BaseModel = entry.config  # type: ignore[attr-defined]
    return {SAMPLER: config.model_dump(exclude_unset=True)}


def _hoist(settled: Settled, i: int, key: str, value: object) -> bool:
    """Move a setting of the stage to the top of the recipe; False where it does not belong there."""
    target: Path
    if key == "subsets":
        block, target = settled.data, ("subsets",)
    elif key in PreferenceSettings.model_fields and isinstance(settled.data.get("preferences", {}), dict):
        settled.data["preferences"] = block = dict(settled.data.get("preferences", {}))
        target = ("preferences", key)
    else:
        return False
    here = ("stages", i, SAMPLER, key)
    if key in block:
        settled.flaws.append(Flaw(here, f"is given twice, also as '{'.'.join(map(str, target))}'; keep one of them"))
    else:
        block[key] = value
        settled.origins[target] = here
    return True
