"""${VAR} in a recipe, and keys that must not stand in one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from metaalign_data.recipe.flaws import Flaw, FromEnvironment, Path

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_KEY = re.compile(
    r"(x-)?((api|access|secret|private)[_-]?key|((api|access|auth|bearer|hf|hub)[_-]?)?token|secret|password|authorization)",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\b(sk-|hf_|gsk_|AIza)[A-Za-z0-9_-]{16,}|://[^/\s:@]*:[^/\s@]+@")


_NAMED = "name that: 'api_key_env: OPENAI_API_KEY'"


@dataclass
class Expanded:
    """A recipe's data with variables filled in; `templates` are the texts that held one, by path."""

    data: Any = None
    templates: dict[Path, FromEnvironment] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)


def expand(data: object, environ: Mapping[str, str]) -> Expanded:
    """Fill in every ${VAR} of every text. A missing variable is a flaw, and its text stays as it is."""
    result = Expanded()

    def filled(value: object, path: Path) -> object:
        match value:
            case dict():
                return {key: filled(inner, (*path, key)) for key, inner in value.items()}
            case list():
                return [filled(inner, (*path, i)) for i, inner in enumerate(value)]
            case str() if _VARIABLE.search(value):
                return _fill(value, path, environ, result)
        return value

    result.data = filled(data, ())
    return result


def plaintext_keys(data: object, path: Path = ()) -> Iterator[Flaw]:
    """Keys and passwords written out. The flaws do not repeat them."""
    match data:
        case dict():
            for key, value in data.items():
                if isinstance(value, str) and _SECRET_KEY.fullmatch(str(key)):
                    yield _secret((*path, key))
                else:
                    yield from plaintext_keys(value, (*path, key))
        case list():
            for i, value in enumerate(data):
                yield from plaintext_keys(value, (*path, i))
        case str() if _SECRET_VALUE.search(data):
            yield _secret(path)


def _secret(path: Path) -> Flaw:
    return Flaw(
        path,
        f"a key must not stand in a recipe; put it into an environment variable and {_NAMED}",
    )


def _fill(text: str, path: Path, environ: Mapping[str, str], result: Expanded) -> str:
    for name in _VARIABLE.findall(text):
        if not _VARIABLE_NAME.fullmatch(name):
            result.flaws.append(Flaw(path, f"'${{{name}}}' is not the name of an environment variable"))
            return text
        if _SECRET_VARIABLE.search(name) or _SECRET_VALUE.search(environ.get(name, "")):
            result.flaws.append(Flaw(path, f"{name} looks like a key, which must not end up in a request; {_NAMED}"))
            return text
        if name not in environ:
            result.flaws.append(Flaw(path, f"the environment variable {name} is not set"))
            return text
    value = FromEnvironment(_VARIABLE.sub(lambda m: environ[m[1]], text), text)
    result.templates[path] = value
    return value
