"""`teacher:`, `judge:` and the like: the keys that all providers share and the provider's own, flat in one block."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from metaalign_data.errors import UserError
from metaalign_data.recipe.flaws import Flaw, flaws_of, foreign_key, reject, shown_value
from metaalign_data.registry import config_of, teacher_class
from metaalign_data.teacher.settings import TeacherSettings

M = TypeVar("M", bound=BaseModel)

SHARED = tuple(name for name in TeacherSettings.model_fields if name != "options")


def parse_block(value: object) -> TeacherSettings:
    """A pydantic validator: settings with every default filled in, the provider's own keys in `options`."""
    block = flat(value) if isinstance(value, TeacherSettings) else value
    if not isinstance(block, Mapping):
        reject([Flaw((), f"must be a block of keys, is {shown_value(value)}")])
    shared = {key: block[key] for key in SHARED if key in block}
    own = {key: block[key] for key in block if key not in shared}
    flaws: list[Flaw] = []
    settings = _checked(TeacherSettings, shared, flaws)
    options = _options(block.get("provider", TeacherSettings().provider), own, flaws)
    if flaws or settings is None or options is None:
        reject(flaws)
    return settings.model_copy(update={"options": options.model_dump(mode="json")})


def parse_teachers(value: object) -> tuple[TeacherSettings, ...]:
    """A pydantic validator: one block, or a list of blocks that share the requests by weight."""
    return _blocks(value, "teacher", "give one of them more weight instead")


def parse_judges(value: object) -> tuple[TeacherSettings, ...]:
    """A pydantic validator: one block, or a list of blocks, each a judge of its own."""
    return _blocks(value, "judge", "for more of its verdicts raise the stage's votes")


def _blocks(value: object, role: str, instead: str) -> tuple[TeacherSettings, ...]:
    if not isinstance(value, list | tuple):
        return (parse_block(value),)
    blocks: list[TeacherSettings] = []
    flaws: list[Flaw] = []
    for i, block in enumerate(value):
        try:
            parsed = parse_block(block)
        except ValidationError as e:
            flaws.extend(flaw.under((i,)) for flaw in flaws_of(e, TeacherSettings))
            continue
        if parsed in blocks:
            flaws.append(Flaw((i,), f"is the same {role} as one before; {instead}"))
        blocks.append(parsed)
    if flaws or not value:
        reject(flaws or [Flaw((), f"must have at least one {role}")])
    return tuple(blocks)


def flat(settings: TeacherSettings) -> dict[str, Any]:
    """The block as a recipe writes it."""
    return {**settings.model_dump(exclude={"options"}), **settings.options}


def inherited(teacher: Mapping[str, Any], judge: Mapping[str, Any]) -> list[str]:
    """Keys that a judge takes from the teacher: those that it leaves out and that still hold for it.

    A price belongs to a model, a key and batches to a server, a provider's own keys to that provider.
    """

    def differs(key: str, default: object = None) -> bool:
        return key in judge and judge[key] != teacher.get(key, default)

    keys = [key for key in teacher if key not in judge and key != "weight"]
    if differs("provider", TeacherSettings().provider):
        return [key for key in keys if key in SHARED and key not in ("price", "batch")]
    if differs("base_url"):
        return [key for key in keys if key not in ("price", "batch", "api_key_env", "answers_of")]
    return [key for key in keys if key != "price"] if differs("model") else keys


def _options(provider: object, own: Mapping[str, Any], flaws: list[Flaw]) -> BaseModel | None:
    if not isinstance(provider, str):
        return None
    try:
        config = config_of(teacher_class(provider))
    except UserError as e:
        flaws.append(Flaw(("provider",), str(e)))
        return None
    valid = [*SHARED, *config.model_fields]
    flaws.extend(foreign_key((key,), valid) for key in own if key not in config.model_fields)
    return _checked(config, {key: value for key, value in own.items() if key in config.model_fields}, flaws)


def _checked(model: type[M], data: Mapping[str, Any], flaws: list[Flaw]) -> M | None:
    try:
        return model.model_validate(data)
    except ValidationError as e:
        flaws.extend(flaws_of(e, model))
        return None
