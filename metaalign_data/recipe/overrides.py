"""--set key.path=value: change a recipe's values from the command line."""

from collections.abc import Sequence
from typing import Any

from metaalign_data.errors import Mistake, RecipeError, did_you_mean
from metaalign_data.recipe.chain import DEFAULT_CHAIN, entry_names
from metaalign_data.recipe.document import Document, parse_yaml
from metaalign_data.recipe.flaws import Path


class _DoesNotApply(Exception):
    pass


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """{"a": {"b": 1}} for "a.b=1"; values are YAML. Raises RecipeError when one is not of that form."""
    result: dict[str, Any] = {}
    for pair in pairs:
        keys, value = _parse(pair)
        block = result
        for key in keys[:-1]:
            block = block.setdefault(key, {})
            if not isinstance(block, dict):
                raise RecipeError([Mistake(_label(keys), 0, "", f"'{key}' has a value already, so it is no block")])
        block[keys[-1]] = value
    return result


def override(document: Document, pairs: Sequence[str]) -> None:
    """Change the document in place; what does not apply is added to its mistakes."""
    for pair in pairs:
        try:
            keys, value = _parse(pair)
        except RecipeError as e:
            document.mistakes.extend(e.mistakes)
            continue
        label = _label(keys)
        try:
            path = _put(document.data, keys, value)
        except _DoesNotApply as e:
            document.mistakes.append(Mistake(label, 0, "", str(e)))
            continue
        for below in [place for place in document.places if place[: len(path)] == path]:
            del document.places[below]
        document.places[path] = (label, 0)


def _label(keys: tuple[str, ...]) -> str:
    """Without the value: it may be a secret that was put in the wrong place."""
    return f"--set {'.'.join(keys)}"


def _parse(pair: str) -> tuple[tuple[str, ...], Any]:
    dotted, equals, text = pair.partition("=")
    keys = tuple(dotted.strip().split("."))
    if not equals or not all(keys):
        raise RecipeError([Mistake(_label(keys), 0, "", "is not of the form KEY.PATH=VALUE")])
    document = parse_yaml(text, _label(keys))
    if document.mistakes:
        raise RecipeError(document.mistakes)
    return keys, document.data


def _put(data: dict[str, Any], keys: tuple[str, ...], value: Any) -> Path:
    """Set the value and return its path."""
    if keys[0] == "stages" and len(keys) > 1:
        return _put_in_stage(data, keys[1:], value)
    return _put_in_block(data, keys, value)


def _put_in_block(block: dict[str, Any], keys: tuple[str, ...], value: Any, before: Path = ()) -> Path:
    for key in keys[:-1]:
        if block.get(key) is None:
            block[key] = {}
        if not isinstance(block[key], dict):
            raise _DoesNotApply(f"'{key}' is a value, not a block of keys")
        block = block[key]
    block[keys[-1]] = value
    return (*before, *keys)


def _put_in_stage(data: dict[str, Any], keys: tuple[str, ...], value: Any) -> Path:
    stages = data.setdefault("stages", list(DEFAULT_CHAIN))
    if not isinstance(stages, list):
        raise _DoesNotApply("'stages' is not a list")
    names = entry_names(stages)
    if keys[0] not in names:
        raise _DoesNotApply(f"no stage '{keys[0]}' in the recipe{did_you_mean(keys[0], [n for n in names if n])}")
    if len(keys) == 1:
        raise _DoesNotApply(f"name the setting, too: stages.{keys[0]}.SETTING=VALUE")
    i = names.index(keys[0])
    if isinstance(stages[i], str):
        stages[i] = {stages[i]: {}}
    head = "with" if "use" in stages[i] else next(iter(stages[i]))
    return _put_in_block(stages[i], (head, *keys[1:]), value, ("stages", i))
