"""Repositories of a loopback Hub: blobs by their hash, commits, branches, tags, pull requests, all in memory."""

import hashlib
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from metaalign_data.hub.licences import HUB_LICENCES

GITATTRIBUTES = "".join(
    f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in ("parquet", "png", "safetensors", "bin", "zst", "gz")
).encode()


class Refusal(Exception):
    """An answer other than success. `code` is the Hub's own name of the error."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


@dataclass(frozen=True)
class User:
    name: str
    may_write: bool = True


@dataclass(frozen=True)
class Entry:
    """A file of a commit. `oid` is git's: of the content, or of its pointer where it lies in LFS."""

    sha256: str
    size: int
    oid: str
    lfs: bool
    pointer_size: int = 0

    def as_json(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = {"type": "file", "oid": self.oid, "size": self.size, "path": path}
        if self.lfs:
            told["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": self.pointer_size}
        return told


@dataclass(frozen=True)
class Commit:
    id: str
    parent: str | None
    title: str
    author: str
    date: str
    files: dict[str, Entry]


@dataclass
class Repo:
    kind: str
    name: str
    private: bool
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    def at(self, revision: str) -> Commit:
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}", f"refs/{revision}"):
            if ref in self.refs:
                return self.commits[self.refs[ref]]
        if revision in self.commits:
            return self.commits[revision]
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def add_commit(self, ref: str, files: dict[str, Entry], title: str, author: str, parent: str | None) -> Commit:
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        commit = Commit(secrets.token_hex(20), parent, title, author, date, files)
        self.commits[commit.id] = commit
        self.refs[ref] = commit.id
        return commit


class Store:
    """`users` by their token."""

    def __init__(self, users: dict[str, User]) -> None:
        self.users = users
        self.lock = threading.RLock()
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self._repos: dict[tuple[str, str], Repo] = {}

    def repo(self, kind: str, name: str, user: User | None, *, write: bool = False) -> Repo:
        repo = self._repos.get((kind, name))
        if repo is None or (repo.private and not owns(user, name)):
            raise Refusal(404 if user else 401, "Repository not found", "RepoNotFound")
        if write and not user:
            raise Refusal(401, "Invalid username or password.")
        if write and not (user and user.may_write and owns(user, name)):
            raise Refusal(403, "Forbidden: you do not have the rights to write to this repo")
        return repo

    def create(self, kind: str, name: str, user: User, *, private: bool) -> Repo:
        if not (user.may_write and owns(user, name)):
            raise Refusal(403, f"You don't have the rights to create a {kind} under this namespace")
        with self.lock:
            if (kind, name) in self._repos:
                raise Refusal(409, f"You already created this {kind} repo: {name}")
            repo = self._repos[kind, name] = Repo(kind, name, private)
            files = {".gitattributes": self.regular(GITATTRIBUTES)}
            repo.add_commit("refs/heads/main", files, "initial commit", user.name, None)
        return repo

    def delete(self, kind: str, name: str, user: User) -> None:
        self.repo(kind, name, user, write=True)
        del self._repos[kind, name]

    def put(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs[sha256] = content
        return sha256

    def regular(self, content: bytes) -> Entry:
        return Entry(self.put(content), len(content), git_oid(content), lfs=False)

    def in_lfs(self, sha256: str) -> Entry:
        size = len(self.blobs[sha256])
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        return Entry(sha256, size, git_oid(pointer), True, len(pointer))


def owns(user: User | None, name: str) -> bool:
    return user is not None and name.split("/")[0] == user.name


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def front_matter(content: bytes) -> dict[str, Any]:
    """The metadata of a card. Raises ValueError or yaml.YAMLError where it is malformed."""
    found = re.match(rb"---\r?\n(.*?)\r?\n---\s*(?:\r?\n|$)", content, re.S)
    if not found:
        return {}
    value = yaml.safe_load(found.group(1).decode())
    if not isinstance(value, dict):
        raise ValueError("metadata must be a mapping")
    _check(value)
    return value


def _check(metadata: dict[str, Any]) -> None:
    """What the Hub's validator says of names that it does not know."""
    for licence in _listed(metadata.get("license")):
        if licence not in HUB_LICENCES | {"other"}:
            raise ValueError(f'"license" must be one of the licences of the Hub, not {licence!r}')
    if "license_name" in metadata and not re.fullmatch("[a-z0-9-.]+", str(metadata["license_name"])):
        raise ValueError('"license_name" must match /^[a-z0-9-.]+$/')
    for code in _listed(metadata.get("language")):
        if not re.fullmatch("[a-z]{2,3}|code|multilingual", str(code)):
            raise ValueError(f'"language" with value {code!r} is not valid: it must be an ISO 639 code')


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
