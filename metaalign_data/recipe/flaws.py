"""What is wrong with a value, before anybody knows where it was written; pydantic's findings in plain words."""

import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from metaalign_data.errors import did_you_mean

Path = tuple[str | int, ...]
"""Keys and list indexes from the top of a recipe to a value."""

_FLAW, _FOREIGN_KEY = "flaw", "foreign_key"

_SENTENCES = {
    "missing": "is missing",
    "greater_than": "must be more than {gt}, is {value}",
    "greater_than_equal": "must be at least {ge}, is {value}",
    "less_than": "must be less than {lt}, is {value}",
    "less_than_equal": "must be at most {le}, is {value}",
    "literal_error": "must be {expected}, is {value}",
    "enum": "must be {expected}, is {value}",
    "string_too_short": "must have at least {min_length} characters, is {value}",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items, has {actual_length}",
    "too_long": "must have at most {max_length} items, has {actual_length}",
}
_KINDS = (
    (re.compile(r"int_"), "a whole number"),
    (re.compile(r"float_|decimal_|finite_number"), "a number"),
    (re.compile(r"string_type|string_sub_type"), "text"),
    (re.compile(r"bool_"), "true or false"),
    (re.compile(r"(list|tuple|set|frozen_set|iterable)_type"), "a list"),
    (re.compile(r"(dict|mapping|model|model_attributes|dataclass)_type"), "a block of keys"),
)


class Flaw(NamedTuple):
    """One mistake. `foreign_key`: the last part of `path` is a key that should not be there."""

    path: Path
    what: str
    foreign_key: bool = False

    @property
    def shown(self) -> str:
        """The path as a person reads it: "stages.judge.votes"."""
        return ".".join(part for part in (self.path[:-1] if self.foreign_key else self.path) if isinstance(part, str))

    def under(self, path: Path) -> "Flaw":
        """The same flaw of a value that stands at `path`."""
        return self._replace(path=(*path, *self.path))


class FromEnvironment(str):
    """Text with ${VAR} filled in. `template` is how it was written: the only form that is ever shown."""

    __slots__ = ("template",)
    template: str

    def __new__(cls, text: str, template: str) -> "FromEnvironment":
        self = super().__new__(cls, text)
        self.template = template
        return self


def reject(flaws: Sequence[Flaw]) -> NoReturn:
    """From inside a pydantic validator: all the flaws of the value, with paths counted from it."""
    raise ValidationError.from_exception_data(
        "recipe",
        [
            InitErrorDetails(
                type=PydanticCustomError(_FOREIGN_KEY if flaw.foreign_key else _FLAW, "{what}", {"what": flaw.what}),
                loc=flaw.path,
                input=None,
            )
            for flaw in flaws
        ],
    )


def flaws_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Flaw]:
    """What pydantic found wrong with a value of `model`."""
    one_of: dict[Path, list[str]] = {}
    for details in error.errors(include_url=False):
        path, is_alternative = _without_union_tag(model, details["loc"])
        match details["type"]:
            case "flaw" | "foreign_key" as kind:
                yield Flaw(path, details["ctx"]["what"], foreign_key=kind == _FOREIGN_KEY)
            case "extra_forbidden":
                yield foreign_key(path, _keys(model, path[:-1]))
            case "literal_error" if path[-1] == "[key]":
                yield foreign_key(path[:-1], re.findall(r"'([^']*)'", details["ctx"]["expected"]))
            case _ if is_alternative:
                one_of.setdefault(path, []).append(_sentence(details))
            case _:
                yield Flaw(path, _sentence(details))
    yield from (Flaw(path, ", or ".join(sentences)) for path, sentences in one_of.items())


def foreign_key(path: Path, valid: Sequence[str]) -> Flaw:
    return Flaw(path, f"unknown key '{path[-1]}'{did_you_mean(str(path[-1]), valid)}", foreign_key=True)


def shown_value(value: object) -> str:
    """The value as a recipe writes it, cut short; what an environment variable holds is never shown."""
    match value:
        case FromEnvironment():
            return f"'{value.template}'"
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
        case _:
            return str(value)


def _sentence(details: ErrorDetails) -> str:
    kind, value = details["type"], shown_value(details["input"])
    if template := _SENTENCES.get(kind):
        return template.format(**{k: _bound(v) for k, v in details.get("ctx", {}).items()}, value=value)
    for pattern, expected in _KINDS:
        if pattern.match(kind):
            return f"must be {expected}, is {value}"
    message = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].lower() + message[1:]


def _bound(limit: object) -> object:
    """0 for the 0.0 of an annotation."""
    return f"{limit:g}" if isinstance(limit, float) else limit


def _keys(model: type[BaseModel], path: Path) -> list[str]:
    """Keys of the nested model at `path`; [] where the annotations do not say."""
    for part in path:
        if isinstance(part, str):
            nested = _nested(_annotation(model, part))
            if nested is None:
                return []
            model = nested
    return [field.alias or name for name, field in model.model_fields.items()]


def _without_union_tag(model: type[BaseModel], path: Path) -> tuple[Path, bool]:
    """The path less the name that pydantic adds for each alternative of `bool | Literal["only"]`, and if it had one."""
    for n, part in enumerate(path[:-1], 1):
        if isinstance(part, str):
            annotation = _annotation(model, part)
            alternatives = set(typing.get_args(annotation)) - {types.NoneType}
            if typing.get_origin(annotation) in (types.UnionType, typing.Union) and len(alternatives) > 1:
                return path[:n], True
            nested = _nested(annotation)
            if nested is None:
                break
            model = nested
    return path, False


def _annotation(model: type[BaseModel], key: str) -> Any:
    return next((f.annotation for name, f in model.model_fields.items() if key in (name, f.alias)), None)


def _nested(annotation: Any) -> type[BaseModel] | None:
    """The first model in an annotation such as `Price | None` or `tuple[Part, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in typing.get_args(annotation) if (found := _nested(arg))), None)
