"""What pydantic found wrong with a configuration, in plain words."""

import difflib
import typing
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from metaalign_trainer.document import KeyPath

_SENTENCES = {"missing": "is missing", "extra_forbidden": "is an unknown key"}
_KINDS = {"a valid integer": "a whole number", "a valid number": "a number", "a valid string": "text"}
_KINDS |= {"a valid boolean": "true or false", "a valid dictionary": "a block of keys", "a valid tuple": "a list"}


def flaw(details: ErrorDetails, model: type[BaseModel]) -> tuple[KeyPath, str]:
    """The path of the value and what is wrong with it."""
    path: KeyPath = details["loc"]
    kind = details["type"]
    if kind == "extra_forbidden":
        return path, _SENTENCES[kind] + _did_you_mean(str(path[-1]), _keys(model, path[:-1]))
    if kind in _SENTENCES:
        return path, _SENTENCES[kind]
    if kind == "value_error":
        return path, details["msg"].removeprefix("Value error, ")
    if kind in ("model_type", "dict_type"):
        return path, f"must be a block of keys, is {shown(details['input'])}"
    what = details["msg"].replace("Input should be", "must be")
    for theirs, ours in _KINDS.items():
        what = what.replace(theirs, ours)
    return path, f"{what.split(', unable to')[0]}, is {shown(details['input'])}"


def shown(value: object) -> str:
    """The value as a configuration writes it, cut short."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= 40 else value[:40] + "…")
        case dict():
            return "a block of keys"
        case list() | tuple():
            return "a list"
    return str(value)


def _did_you_mean(name: str, valid: list[str]) -> str:
    if near := difflib.get_close_matches(name, valid, n=1):
        return f"; did you mean '{near[0]}'?"
    return f"; valid: {', '.join(sorted(valid))}" if valid else ""


def _keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Keys of the block at `path`."""
    for part in path:
        annotation: Any = model.model_fields[str(part)].annotation
        model = next(each for each in (*typing.get_args(annotation), annotation) if _is_model(each))
    return list(model.model_fields)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
