"""The files that are to be pushed, and the two hashes by which the Hub knows a file."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metaalign_data.errors import UserError

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class LocalFile:
    """A file to push. `sha256` is the Hub's name of its content in LFS, `git_oid` the one of a regular file."""

    source: Path | bytes
    size: int
    sha256: str
    git_oid: str


def local_files(folder: Path) -> dict[str, LocalFile]:
    """Every file below the folder by its path in the repository; what starts with a dot is left out.

    Raises UserError where the folder holds nothing, or a link: it could lead to what nobody meant to publish.
    """
    if not folder.is_dir():
        raise UserError("there is no such folder", where=str(folder))
    found = {path.relative_to(folder).as_posix(): of_path(path) for path in _walk(folder)}
    if not found:
        raise UserError("holds no file", where=str(folder))
    return found


def of_path(path: Path) -> LocalFile:
    try:
        size = path.stat().st_size
        sha256, git = hashlib.sha256(), _git_hash(size)
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                sha256.update(piece)
                git.update(piece)
    except OSError as e:
        raise UserError(f"cannot be read: {e.strerror}", where=str(path)) from e
    return LocalFile(path, size, sha256.hexdigest(), git.hexdigest())


def of_bytes(content: bytes) -> LocalFile:
    git = _git_hash(len(content))
    git.update(content)
    return LocalFile(content, len(content), hashlib.sha256(content).hexdigest(), git.hexdigest())


def _git_hash(size: int) -> "hashlib._Hash":
    """Of a blob of this size, as git names it: its hash begins with a header."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink():
            raise UserError("is a link", where=str(path), fix="put the file itself there")
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path
