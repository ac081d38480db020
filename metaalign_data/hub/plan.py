"""What a push would change, found without sending anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from metaalign_data.errors import UserError
from metaalign_data.hub.cards import CARD, FOLDER, Card, merge_cards, parse_card
from metaalign_data.hub.local import LocalFile, of_bytes
from metaalign_data.hub.record import RECORD, Record, parse_record
from metaalign_data.hub.repository import Repository, State

_MADE_WITH_A_REPOSITORY = (".gitattributes", CARD, "LICENSE", "LICENSE.md", "LICENSE.txt")
_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Plan:
    """The folder beside the repository as of `base`, None where there is none yet.

    `files` are those of the folder, with the merged card. Of these, `added` and `replaced` are to be sent. `removed`
    were pushed once and are no longer in the folder; `kept` are other people's. `overwritten` are those among
    `replaced` that somebody changed since they were pushed.
    """

    base: State | None
    files: Mapping[str, LocalFile]
    card: Card | None
    record: Record
    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    overwritten: tuple[str, ...] = ()
    notices: tuple[str, ...] = field(default=())

    @property
    def sent(self) -> tuple[str, ...]:
        """Paths of the folder whose content goes up."""
        return tuple(sorted((*self.added, *self.replaced)))

    @property
    def changes_nothing(self) -> bool:
        return not (self.sent or self.removed) and self.base is not None and RECORD in self.base.files

    def all_files(self) -> dict[str, LocalFile]:
        """What the repository is to hold after the push, but for what is kept."""
        return {**self.files, RECORD: self.record.as_file()}


def make_plan(repository: Repository, folder: Mapping[str, LocalFile], base: State | None) -> Plan:
    """Raises UserError where the repository holds other things than our pushes left there, or a .gitignore, by which
    the Hub would leave out files in silence.
    """
    pushed = _record_of(repository, base)
    remote = base.files if base else {}
    if base and pushed is None:
        _refuse_foreign(repository.name, [path for path in remote if path not in _MADE_WITH_A_REPOSITORY])
    if ".gitignore" in remote:
        what = "has a .gitignore, by which the Hub leaves out files in silence"
        raise UserError(what, where=repository.name, fix="remove it there")
    card, ours, notices = _card(repository, folder, base, pushed)
    files = {**folder, CARD: of_bytes(str(card).encode())} if card else dict(folder)
    known = pushed.files if pushed else {}
    changed = [path for path, file in files.items() if path in remote and not remote[path].equals(file)]
    added = [path for path in files if path not in remote]
    removed = [path for path in known if path in remote and path not in files]
    version = pushed.version if pushed else 0
    if changed or added or removed or pushed is None:
        version = 1 + max(version, _last_tag(repository) if base else 0)
    return Plan(
        base=base,
        files=files,
        card=card,
        record=Record(
            version=version,
            files={path: file.sha256 for path, file in sorted(files.items())},
            card=ours.fields if ours else {},
        ),
        added=tuple(sorted(added)),
        replaced=tuple(sorted(changed)),
        removed=tuple(sorted(removed)),
        kept=tuple(sorted(path for path in remote if path not in files and path not in known and path != RECORD)),
        overwritten=tuple(sorted(_overwritten(repository, base, changed, known))),
        notices=tuple(notices),
    )


def _record_of(repository: Repository, base: State | None) -> Record | None:
    if base is None or RECORD not in base.files:
        return None
    return parse_record(repository.text(RECORD, base.commit), repository.name)


def _refuse_foreign(name: str, paths: list[str]) -> None:
    if paths:
        what = f"the name is taken: it holds {named(paths)}, which no push of metaalign-data left there"
        raise UserError(what, where=name, fix="take another name, or a --revision of its own")


def _card(
    repository: Repository, folder: Mapping[str, LocalFile], base: State | None, pushed: Record | None
) -> tuple[Card | None, Card | None, list[str]]:
    """The merged card and the folder's own."""
    if CARD not in folder:
        return None, None, []
    source = folder[CARD].source
    text = source.decode() if isinstance(source, bytes) else source.read_text(encoding="utf-8")
    ours = parse_card(text.replace(FOLDER, repository.name), str(source))
    theirs = None
    if base and CARD in base.files:
        theirs = parse_card(repository.text(CARD, base.commit), repository.name)
    card, notices = merge_cards(ours, theirs, pushed.card if pushed else None)
    return card, ours, notices


def _last_tag(repository: Repository) -> int:
    """The highest N of the tags vN."""
    return max((int(tag[1:]) for tag in repository.tags() if tag[:1] == "v" and tag[1:].isdecimal()), default=0)


def _overwritten(repository: Repository, base: State | None, changed: list[str], known: Mapping[str, str]) -> list[str]:
    """Files in LFS whose hash is no longer the one that was pushed. A card is merged, not overwritten."""
    remote = base.files if base else {}
    return [
        path for path in changed if path != CARD and path in known and remote[path].sha256 not in (None, known[path])
    ]


def named(paths: list[str] | tuple[str, ...]) -> str:
    """A few of the paths and the number of the others."""
    more = len(paths) - _NAMED_AT_MOST
    return ", ".join(paths[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
