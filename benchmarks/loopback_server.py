"""A chat-completions server that costs next to nothing, for benchmarks: it shares the machine with what is measured.

    python loopback_server.py --latency-ms 200 --rps 50

Prints its address. `--rps` answers 429 beyond that rate (a token bucket that holds `--burst-s` seconds' worth);
`PUT /rps/80` changes it, `GET /stats` tells how many requests were answered, refused, and in flight at most.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable
from urllib.request import Request, urlopen

TEXT = "It depends on what you value: a short example shows why one way is clearer than another. " * 4


class Server:
    """The bucket and the counters, shared by all connections."""

    def __init__(self, latency_s: float, rps: float, burst_s: float) -> None:
        self.latency_s, self.rps, self.burst_s = latency_s, rps, burst_s
        self.level, self.filled_at = rps * burst_s, time.monotonic()
        self.answered = self.refused = self.in_flight = self.most_in_flight = 0
        message = {"role": "assistant", "content": TEXT}
        usage = {"prompt_tokens": 40, "completion_tokens": 80, "total_tokens": 120}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.answer = http(200, {"object": "chat.completion", "model": "loopback", "choices": [choice], "usage": usage})

    def wait_s(self) -> float:
        """0 where the request may pass, else how long the next token takes."""
        if not self.rps:
            return 0.0
        now = time.monotonic()
        self.level = min(self.rps * self.burst_s, self.level + (now - self.filled_at) * self.rps)
        self.filled_at = now
        if self.level < 1:
            return (1 - self.level) / self.rps
        self.level -= 1
        return 0.0

    def reply(self, method: str, path: str) -> tuple[bytes, float]:
        """The bytes of the answer, and how long to wait before they go out, in seconds."""
        if method == "GET":
            names = ("answered", "refused", "most_in_flight")
            listed = {"data": [{"id": "loopback"}]}
            return http(200, {name: getattr(self, name) for name in names} if path == "/stats" else listed), 0.0
        if method == "PUT":
            self.rps = float(path.rpartition("/")[2])
            return http(200, {}), 0.0
        if wait_s := self.wait_s():
            self.refused += 1
            return http(429, {"error": {"message": "slow down"}}, f"Retry-After: {wait_s:.3f}\r\n"), 0.0
        self.answered += 1
        return self.answer, self.latency_s


class Connection(asyncio.Protocol):
    """Reads requests that come one after the other."""

    def __init__(self, server: Server) -> None:
        self.server, self.waiting = server, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, end, rest = self.waiting.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(rest) < int(length or 0):
            return
        self.waiting = rest[int(length or 0) :]
        method, path = head.split(b" ", 2)[:2]
        payload, after_s = self.server.reply(method.decode(), path.decode())
        if after_s:
            self.server.in_flight += 1
            self.server.most_in_flight = max(self.server.most_in_flight, self.server.in_flight)
            asyncio.get_running_loop().call_later(after_s, self.send, payload)
        else:
            self.transport.write(payload)

    def send(self, payload: bytes) -> None:
        self.server.in_flight -= 1
        self.transport.write(payload)


def http(status: int, body: object, headers: str = "") -> bytes:
    raw = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


class Loopback:
    """A running server, seen from outside."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.base_url = f"{address}/v1"

    def stats(self) -> dict[str, int]:
        with urlopen(f"{self.address}/stats") as response:
            found: dict[str, int] = json.load(response)
        return found

    def set_rps(self, rps: float) -> None:
        urlopen(Request(f"{self.address}/rps/{rps}", method="PUT")).close()


@contextmanager
def loopback(*, latency_ms: float = 0.0, rps: float = 0.0, burst_s: float = 1.0) -> Iterator[Loopback]:
    """The server in a process of its own, for as long as the body runs."""
    options = ["--latency-ms", str(latency_ms), "--rps", str(rps), "--burst-s", str(burst_s)]
    process = Popen([executable, str(Path(__file__)), *options], stdout=PIPE, text=True)
    try:
        assert process.stdout
        yield Loopback(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(10)


async def serve(server: Server) -> None:
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--rps", type=float, default=0.0)
    parser.add_argument("--burst-s", type=float, default=1.0)
    given = parser.parse_args()
    asyncio.run(serve(Server(given.latency_ms / 1000, given.rps, given.burst_s)))
