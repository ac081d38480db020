"""A request to the loopback Hub, and its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from loopback_hub.store import Refusal, Repo, User

if TYPE_CHECKING:
    from loopback_hub.server import LoopbackHub

KINDS = {"datasets/": "dataset", "spaces/": "space", "": "model"}


@dataclass
class Request:
    """`named` are the groups of the route's pattern; `user` is None for one without a token."""

    hub: LoopbackHub
    method: str
    path: str
    query: Mapping[str, list[str]]
    named: Mapping[str, str]
    headers: Mapping[str, str]
    user: User | None
    pieces: Iterator[bytes]

    def body(self) -> bytes:
        return b"".join(self.pieces)

    def data(self) -> Any:
        """A body of JSON, or a form as a mapping of lists."""
        raw = self.body()
        if "form" in self.headers.get("Content-Type", self.headers.get("content-type", "")):
            return parse_qs(raw.decode())
        return json.loads(raw or b"{}")

    def yes(self, name: str) -> bool:
        return self.query.get(name, ["false"])[0].lower() in ("true", "1")

    def someone(self) -> User:
        if self.user is None:
            raise Refusal(401, "Invalid username or password.")
        return self.user

    def repo(self, *, write: bool = False) -> Repo:
        """The repository that the path names, as /api/KINDs/NAME or as KINDs/NAME before `.git` and `resolve`."""
        kind = self.named["kind"] if "kind" in self.named else KINDS[self.named["prefix"]]
        return self.hub.store.repo(kind, self.named["name"], self.user, write=write)


@dataclass
class Reply:
    body: Any = field(default_factory=lambda: {"ok": True})
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, str]:
        """The payload and its type."""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        return json.dumps(self.body).encode(), "application/json"
