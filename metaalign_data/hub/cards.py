"""Cards that a tool writes and people edit: both keep what is theirs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from metaalign_data.errors import UserError

CARD = "README.md"
BEGIN = "<!-- metaalign-data: what stands from here to the end mark is written anew by each push -->"
END = "<!-- metaalign-data: end -->"
_OF_THE_DATA = ("configs", "dataset_info", "size_categories")
"""Fields by which the files are read: whoever changed them, they have to fit what is pushed."""

FOLDER = "path/of/this/folder"
"""What a dataset's own card says in place of its name, as long as it has none."""

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """`front` is the YAML between the dashes as it was written, `fields` what it says, `body` all that follows."""

    front: str
    fields: Fields
    body: str

    def __str__(self) -> str:
        return f"---\n{self.front}---\n{self.body}" if self.front else self.body


def parse_card(text: str, where: str) -> Card:
    """Raises UserError when the metadata is no YAML mapping."""
    lines = text.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if i and line.rstrip() == "---"), None)
    if not lines or lines[0].rstrip("\r\n\ufeff ") != "---" or end is None:
        return Card("", {}, text)
    front = "".join(lines[1:end]).replace("\r\n", "\n")
    try:
        fields = yaml.safe_load(front)
    except yaml.YAMLError as e:
        raise UserError("the metadata of its card is no YAML", where=where, fix="mend README.md there") from e
    if not isinstance(fields, dict | None):
        raise UserError("the metadata of its card is no mapping", where=where, fix="mend README.md there")
    return Card(front, fields or {}, "".join(lines[end + 1 :]))


def merge_cards(ours: Card, theirs: Card | None, pushed: Fields | None) -> tuple[Card, list[str]]:
    """`ours`, with what people changed in `theirs` since `pushed` (None: nothing was), and what there is to say of it.

    A field is theirs where they changed it, unless it tells how to read the files; of a list, what they added is kept
    and what they took out stays out. Our text stands between two marks, around them all is theirs.
    """
    marked = f"{BEGIN}\n\n{ours.body.strip()}\n\n{END}"
    if theirs is None:
        return Card(_dump(ours.fields), ours.fields, f"\n{marked}\n"), []
    fields = _merged_fields(ours.fields, theirs.fields, pushed or {})
    front = theirs.front if _plain(fields) == _plain(theirs.fields) else _dump(fields)
    before, begin, rest = theirs.body.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return Card(front, fields, f"{before}{marked}{after}"), []
    if pushed is None:
        return Card(front, fields, f"\n{marked}\n\n{theirs.body.strip()}\n"), []
    notice = "the text of the card is left as it is: the marks around the generated part are gone"
    return Card(front, fields, theirs.body), [notice]


def _merged_fields(ours: Fields, theirs: Fields, pushed: Fields) -> dict[str, Any]:
    merged = {}
    for name in dict.fromkeys((*theirs, *ours)):
        if name in _OF_THE_DATA:
            kept = ours.get(name)
        else:
            kept = _merged_field(ours.get(name), theirs.get(name), pushed.get(name))
        if kept is not None:
            merged[name] = kept
    return merged


def _merged_field(ours: Any, theirs: Any, pushed: Any) -> Any:
    if all(isinstance(value, list | None) for value in (ours, theirs, pushed)) and isinstance(theirs, list):
        gone = [entry for entry in pushed or () if entry not in theirs]
        added = [entry for entry in theirs if entry not in (pushed or ())]
        return _distinct([*(entry for entry in ours or () if entry not in gone), *added])
    return ours if _plain(theirs) == _plain(pushed) else theirs


def _distinct(entries: list[Any]) -> list[Any]:
    return [entry for i, entry in enumerate(entries) if entry not in entries[:i]]


def _dump(fields: Fields) -> str:
    return yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True) if fields else ""


def _plain(value: Any) -> Any:
    """As JSON has it: what was pushed was kept as such, and a date there is text."""
    return json.loads(json.dumps(value, default=str))
