"""A configuration file as data with the line of every key. Untrusted: no tags, no aliases, bounded size.

Plain values are those of YAML 1.2: `1e-4` is a number, `on`, `yes` and `no` are text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from metaalign_trainer.errors import ConfigError

MAX_BYTES = 256 * 1024

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top of a configuration to a value."""

_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")


@dataclass
class Document:
    """`places` says where each value was written: "file:line", or the option that gave it."""

    file: str
    data: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def mistake(self, path: KeyPath, what: str) -> None:
        """Note what is wrong with a value, at its place or that of the nearest block around it."""
        place = next((self.places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.places), self.file)
        shown = ".".join(map(str, path))
        self.mistakes.append(f"{place}: {shown}: {what}" if shown else f"{place}: {what}")


def read_document(path: Path, overrides: Sequence[str] = ()) -> Document:
    """The file's data, changed by "key.path=value" overrides whose values are YAML. Mistakes are noted in the document.

    Raises ConfigError where the file cannot be read or is not YAML at all.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror}") from e
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES // 1024} KiB: not a configuration")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path}: is not UTF-8") from e
    document = _parse(text, str(path))
    if not isinstance(document.data, dict):
        raise ConfigError(f"{path}: a configuration is a block of keys, such as 'name:' and 'data:'")
    for pair in overrides:
        _override(document, pair)
    return document


def _parse(text: str, file: str) -> Document:
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
                raise ConfigError(f"{file}:{_line(event)}: aliases (*name) and tags (!name) are not allowed")
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 0
        raise ConfigError(f"{file}:{line}: not valid YAML: {e.problem}") from e
    except yaml.YAMLError as e:
        raise ConfigError(f"{file}: not valid YAML: {e}") from e
    document = Document(file, {})
    document.data = _value(node, (), document)
    return document


def _line(event: yaml.Event) -> int:
    """Counted from 1."""
    return event.start_mark.line + 1 if event.start_mark else 0


def _value(node: yaml.Node | None, path: KeyPath, document: Document) -> Any:
    if node is None:
        return None
    if path:
        document.places.setdefault(path, f"{document.file}:{node.start_mark.line + 1}")
    match node:
        case yaml.MappingNode():
            return dict(_pairs(node, path, document))
        case yaml.SequenceNode():
            return [_value(each, (*path, i), document) for i, each in enumerate(node.value)]
        case yaml.ScalarNode(style=None):
            return _plain(node.value)
    return node.value


def _pairs(node: yaml.MappingNode, path: KeyPath, document: Document) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, value in node.value:
        here = (*path, str(key.value))
        place = f"{document.file}:{key.start_mark.line + 1}"
        if key.value in seen:
            document.mistakes.append(f"{place}: {'.'.join(map(str, here))}: is given twice")
            continue
        seen.add(key.value)
        document.places[here] = place
        yield str(key.value), _value(value, here, document)


def _plain(text: str) -> Any:
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _override(document: Document, pair: str) -> None:
    dotted, equals, text = pair.partition("=")
    keys = tuple(dotted.strip().split("."))
    label = f"--set {'.'.join(keys)}"
    if not equals or not all(keys):
        document.mistakes.append(f"{label}: is not of the form KEY.PATH=VALUE")
        return
    block = document.data
    for key in keys[:-1]:
        if block.get(key) is None:
            block[key] = {}
        block = block[key]
        if not isinstance(block, dict):
            document.mistakes.append(f"{label}: '{key}' is a value, not a block of keys")
            return
    try:
        block[keys[-1]] = _parse(text, label).data
    except ConfigError as e:
        document.mistakes.append(str(e))
    for below in [place for place in document.places if place[: len(keys)] == keys]:
        del document.places[below]
    document.places[keys] = label
