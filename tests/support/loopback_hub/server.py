"""A loopback stand-in for the Hugging Face Hub, for the real clients.

It speaks as much of the Hub's HTTP as `datasets` and `huggingface_hub` need to push and to load back, without xet: set
HF_HUB_DISABLE_XET=1. Contents lie on a second port, as the Hub keeps them at another host. Use it in a `with`.
"""

import re
import secrets
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from loopback_hub.messages import Reply, Request
from loopback_hub.routes import ROUTES, STORED
from loopback_hub.store import Refusal, Store, User

Action = Literal["status", "drop", "drop_upload", "lost_reply", "call"]


@dataclass
class Rule:
    """A failure of requests "METHOD path" that `match` finds, after `skip` of them, `times` times (-1: always).

    status       answer with `status`
    drop         hang up without an answer
    drop_upload  hang up when `after_bytes` of the body have come
    lost_reply   do the work, then hang up
    call         call `call` first, then answer
    """

    match: str
    action: Action
    status: int = 500
    times: int = 1
    skip: int = 0
    after_bytes: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    call: Callable[[], None] = lambda: None


class LoopbackHub:
    """`log` are the requests so far, as "METHOD path -> outcome". LFS files beyond `part_bytes` go up in parts."""

    def __init__(self, part_bytes: int = 50_000, page: int = 1_000) -> None:
        self.store = Store({"hf_writer": User("tester"), "hf_reader": User("tester", may_write=False)})
        self.part_bytes, self.page = part_bytes, page
        self.rules: list[Rule] = []
        self.log: list[str] = []
        self._lock = threading.Lock()
        self._servers = [_server(self), _server(self)]
        self.url, self.storage_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def fail(self, match: str, action: Action, **how: object) -> None:
        self.rules.append(Rule(match, action, **how))  # type: ignore[arg-type]

    def rule_for(self, line: str) -> Rule | None:
        with self._lock:
            for rule in self.rules:
                if not re.search(rule.match, line):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                elif rule.times:
                    rule.times -= 1
                    return rule
        return None

    def asked(self, pattern: str) -> list[str]:
        """The requests so far that the pattern finds."""
        return [line for line in self.log if re.search(pattern, line)]


def _server(hub: LoopbackHub) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *args: object) -> None: ...

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def serve(self) -> None:
        self.unread = bool(int(self.headers.get("Content-Length") or 0) or self.headers.get("Transfer-Encoding"))
        line = f"{self.command} {self.path}"
        self.rule = self.hub.rule_for(line)
        try:
            reply = self._answer()
            outcome = str(reply.status)
            if self.rule and self.rule.action == "lost_reply":
                self._hang_up()
            self.hub.log.append(f"{line} -> {outcome}")
            self._send(reply)
        except ConnectionError:
            self.hub.log.append(f"{line} -> dropped")
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815

    def _answer(self) -> Reply:
        try:
            self._carry_out()
            url = urlsplit(self.path)
            if bool(STORED.fullmatch(url.path)) != (self.server is self.hub._servers[1]):
                raise Refusal(404, "wrong host for this address")
            for methods, pattern, answer in ROUTES:
                if self.command in methods.split("|") and (found := pattern.fullmatch(url.path)):
                    named = {name: unquote(value) for name, value in found.groupdict("").items()}
                    return answer(self._request(parse_qs(url.query), named))
            raise Refusal(404, f"no such page: {url.path}")
        except Refusal as e:
            headers = {"X-Error-Message": e.message, **({"X-Error-Code": e.code} if e.code else {}), **e.headers}
            return Reply({"error": e.message}, status=e.status, headers=headers)

    def _carry_out(self) -> None:
        match self.rule:
            case Rule(action="drop"):
                self._hang_up()
            case Rule(action="status", status=status, headers=headers):
                raise Refusal(status, f"injected {status}", headers=headers)
            case Rule(action="call", call=call):
                call()

    def _request(self, query: dict[str, list[str]], named: dict[str, str]) -> Request:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if token and self.server is self.hub._servers[1]:
            raise Refusal(400, "Only one auth mechanism allowed")
        if token and token not in self.hub.store.users:
            raise Refusal(401, "Invalid credentials in Authorization header")
        user = self.hub.store.users.get(token)
        return Request(
            self.hub, self.command, self.path, query, named, dict(self.headers.items()), user, self._pieces()
        )

    def _pieces(self) -> Iterator[bytes]:
        """The body as it comes."""
        seen = 0
        for piece in self._chunked() if "Transfer-Encoding" in self.headers else self._counted():
            seen += len(piece)
            if self.rule and self.rule.action == "drop_upload" and seen >= self.rule.after_bytes:
                self._hang_up()
            yield piece
        self.unread = False

    def _counted(self) -> Iterator[bytes]:
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(left, 1 << 14))
            if not piece:
                raise ConnectionResetError("the client went away")
            left -= len(piece)
            yield piece

    def _chunked(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.read(2)
        self.rfile.readline()

    def _send(self, reply: Reply) -> None:
        if self.unread:  # nothing may be left on a connection that is kept
            self.close_connection = True
        payload, kind = reply.encoded()
        self.send_response(reply.status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(payload)), **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("X-Request-Id", secrets.token_hex(8))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _hang_up(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError("hung up by a rule")
