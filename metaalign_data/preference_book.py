"""Preferences that somebody has written already: a file of them, and which of them contrast."""

import json
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from metaalign_data.chat import FROZEN
from metaalign_data.errors import UserError
from metaalign_data.records import Form, Kind


class Entry(BaseModel):
    """One preference. `opposite` is the text of the contrary one; `dimension` and `value` say what it is about."""

    model_config = FROZEN
    text: str = Field(min_length=1)
    kind: Kind = "explicit"
    form: Form | None = None
    dimension: str = ""
    value: str = ""
    opposite: str = ""

    @model_validator(mode="after")
    def _form_is_of_the_kind(self) -> Self:
        if self.form and (self.form == "statement") != (self.kind == "explicit"):
            raise ValueError(f"form '{self.form}' is not {self.kind}")
        if self.form == "dialogue":
            raise ValueError("a dialogue cannot stand in a file of texts")
        return self

    @property
    def told(self) -> Form:
        return self.form or ("statement" if self.kind == "explicit" else "background")


class PreferenceBook(BaseModel):
    """All entries of a file, at least one of which has something to contrast with."""

    model_config = FROZEN
    entries: tuple[Entry, ...] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a .jsonl file. Raises UserError with file and line of the first row that is wrong."""
        entries: list[Entry] = []
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError as e:
            raise UserError("there is no such file (preferences.source)", where=str(path)) from e
        except (OSError, UnicodeDecodeError) as e:
            raise UserError(f"cannot be read: {e}", where=str(path)) from e
        for number, line in enumerate(lines, 1):
            if line.strip():
                entries.append(_entry(line, f"{path.name}:{number}"))
        if not entries:
            raise UserError("holds no preferences", where=str(path))
        book = cls(entries=tuple(entries))
        if not book._contrasts:
            raise UserError("no preference contrasts with another: give two at least, or an opposite", where=str(path))
        return book

    def contrasting(self, rng: Random) -> tuple[Entry, Entry]:
        """A preference and one against it: its opposite, one of another value of its dimension, or any other."""
        first, others = rng.choice(self._contrasts)
        second = rng.choice(others)
        return (first, second) if rng.random() < 0.5 else (second, first)

    @cached_property
    def _contrasts(self) -> list[tuple[Entry, tuple[Entry, ...]]]:
        by_dimension: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            by_dimension[entry.dimension].append(entry)
        found: list[tuple[Entry, tuple[Entry, ...]]] = []
        for entry in self.entries:
            others: tuple[Entry, ...]
            if entry.opposite:
                contrary = entry.model_copy(update={"text": entry.opposite, "value": f"not {entry.value}".strip()})
                others = (contrary.model_copy(update={"opposite": entry.text}),)
            elif entry.dimension:
                others = tuple(o for o in by_dimension[entry.dimension] if o.value != entry.value)
            else:
                others = tuple(o for o in by_dimension[""] if o.text != entry.text and not o.opposite)
            if others:
                found.append((entry, others))
        return found


def _entry(line: str, where: str) -> Entry:
    try:
        return Entry.model_validate(json.loads(line))
    except ValidationError as e:
        details = e.errors(include_url=False)[0]
        name = ".".join(map(str, details["loc"]))
        raise UserError(f"{name + ': ' if name else ''}{details['msg']}", where=where) from e
    except (ValueError, RecursionError) as e:
        raise UserError(f"is not valid JSON: {e}", where=where) from e
