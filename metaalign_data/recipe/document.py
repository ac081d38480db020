"""YAML with the line of every key. Untrusted: no tags, no aliases, bounded size and depth.

Read from PyYAML's events instead of its constructors, for the lines, and for YAML 1.2's plain values: `on`, `yes` and
`no` are text, and so are dates.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, NoReturn

import yaml
from yaml import events

from metaalign_data.errors import Mistake, RecipeError, UserError
from metaalign_data.recipe.flaws import Flaw, Path

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")


@dataclass
class Document:
    """A recipe as it was written. `places` says which file (or option) and line each value comes from."""

    file: str
    data: Any = None
    places: dict[Path, tuple[str, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def mistake(self, flaw: Flaw) -> Mistake:
        """The flaw at the place of its value, or of the nearest block around it."""
        parts = range(len(flaw.path), -1, -1)
        file, line = next((p for n in parts if (p := self.places.get(flaw.path[:n]))), (self.file, 0))
        return Mistake(file, line, flaw.shown, flaw.what)


def read_document(path: FilePath) -> Document:
    """Raises UserError when the file cannot be read, RecipeError when it is not YAML as recipes use it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise UserError(f"cannot be read: {e.strerror}", where=str(path)) from e
    if len(raw) > MAX_BYTES:
        raise UserError(f"is larger than {MAX_BYTES // 1024} KiB: not a recipe", where=str(path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise RecipeError([Mistake(str(path), raw.count(b"\n", 0, e.start) + 1, "", "is not UTF-8")]) from e
    document = parse_yaml(text, str(path))
    if not isinstance(document.data, dict):
        raise RecipeError([Mistake(str(path), 0, "", "a recipe is a block of keys, such as 'name:' and 'teacher:'")])
    return document


def parse_yaml(text: str, file: str) -> Document:
    """Values and their lines. Keys are always text. Raises RecipeError on a syntax error."""
    document = Document(file)
    try:
        stream = yaml.parse(text, yaml.SafeLoader)
        next(stream)  # the start of the stream
        if isinstance(next(stream), events.DocumentStartEvent):
            document.data = _Builder(stream, document).value(next(stream), ())
            next(stream)  # the end of the document
            if isinstance(following := next(stream), events.DocumentStartEvent):
                _refuse(document, following, "a recipe is one YAML document; '---' starts a second one")
    except yaml.MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else 0
        raise RecipeError([Mistake(file, line, "", f"not valid YAML: {e.problem}{_hint(str(e.problem))}")]) from e
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        raise RecipeError([Mistake(file, line, "", f"not valid YAML: character U+{e.character:04X}")]) from e
    return document


def _hint(problem: str) -> str:
    if r"'\t'" in problem:
        return "; indent with spaces, not with tabs"
    return "; look at how this line and the one before it are indented" if "block" in problem else ""


def _line(event: events.Event) -> int:
    """Counted from 1."""
    return event.start_mark.line + 1 if event.start_mark else 0


def _refuse(document: Document, event: events.Event, what: str) -> NoReturn:
    raise RecipeError([*document.mistakes, Mistake(document.file, _line(event), "", what)])


class _Builder:
    def __init__(self, stream: Iterator[events.Event], document: Document) -> None:
        self.stream, self.document = stream, document

    def value(self, event: events.Event, path: Path) -> Any:
        if isinstance(event, events.AliasEvent):
            _refuse(self.document, event, "aliases (*name) are not allowed; write the value out")
        if getattr(event, "tag", None) is not None:
            _refuse(self.document, event, "tags (!name) are not allowed")
        if len(path) > MAX_DEPTH:
            _refuse(self.document, event, f"more than {MAX_DEPTH} levels deep")
        if path:
            self.document.places.setdefault(path, (self.document.file, _line(event)))
        if isinstance(event, events.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, events.SequenceStartEvent):
            return self._sequence(path)
        return _scalar(event)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.stream), events.SequenceEndEvent):
            items.append(self.value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.stream), events.MappingEndEvent):
            if not isinstance(event, events.ScalarEvent):
                _refuse(self.document, event, "a key must be plain text")
            key, line = event.value, _line(event)
            if key in found:
                _, first = self.document.places[*path, key]
                flaw = Flaw((*path, key), f"is given twice, first in line {first}")
                self.document.mistakes.append(Mistake(self.document.file, line, flaw.shown, flaw.what))
                _Builder(self.stream, Document(self.document.file)).value(next(self.stream), (*path, key))
                continue
            self.document.places[*path, key] = (self.document.file, line)
            found[key] = self.value(next(self.stream), (*path, key))
        return found


def _scalar(event: Any) -> Any:
    text: str = event.value
    if not event.implicit[0]:  # it stands in quotes or in a block
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text) and len(text) <= 30:
        return int(text)
    return float(text) if FLOAT.match(text) else text
