"""An OpenAI-compatible server that misbehaves on order. Loopback only, standard library only.

    python mock_openai.py --port 8801 --latency-ms 200 --error-rate 0.1 --calls calls.jsonl

Each random fault is drawn anew for each request, so a retry gets a new draw. What it answers is a pure function of
model and messages (and of `seed`, where that is honoured). In a test: `with mock_openai(error_rate=0.1) as server:`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, get_args

from json_instance import derive, instance, prose

Option = Literal["honour", "ignore", "refuse"]
ErrorShape = Literal["openai", "text", "detail", "validation", "message", "plain", "html", "empty"]


@dataclass(frozen=True)
class Faults:
    """What goes wrong. Rates are probabilities of a request, 0 to 1."""

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    rate_limit_rps: float = 0.0  # token bucket; 429 with Retry-After beyond it; 0 is none
    burst: float = 0.0  # size of the bucket; 0 is one second's worth
    error_rate: float = 0.0
    random_429_rate: float = 0.0
    drop_rate: float = 0.0  # the connection is cut before the answer
    hang_rate: float = 0.0  # no answer until the client leaves
    malformed_rate: float = 0.0  # the JSON is cut off
    restart_after: int = 0  # at this request every connection is cut, and nobody listens for `restart_s`; 0 is never
    restart_s: float = 1.0
    fenced_json_if: str = ""  # plain requests whose messages hold this get a JSON object in a code fence
    always_500_if: str = ""  # requests whose messages hold this never succeed
    charged_for_nothing_rate: float = 0.0  # a body without an answer that says what it took
    cached_share: float = 0.0  # of the prompt tokens, told in the usage
    reasoning_tokens: int = 0  # of each answer, told in the total only
    echo_key: bool = False  # texts and errors hold the Authorization header
    json_schema: Option = "honour"
    json_object: Option = "honour"
    n: Option = "honour"
    logprobs: Option = "honour"
    max_tokens: Option = "honour"  # "refuse" wants max_completion_tokens
    seed: Literal["honour", "ignore", "deterministic"] = "deterministic"
    error_shape: ErrorShape = "openai"
    api_key: str = ""  # when given, other keys get a 401
    model: str = "mock-model"
    random_seed: int = 0


@dataclass(frozen=True)
class Reply:
    """A canned answer. A `body` of str is the assistant's text, of dict the whole JSON body, of bytes sent as it is."""

    body: str | bytes | dict[str, Any] = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    content_type: str = "application/json"


@dataclass(frozen=True)
class Call:
    """One request to /chat/completions: what was asked and what became of it."""

    at: float
    outcome: str
    body: dict[str, Any]


class MockOpenAI:
    """The server's state. `script` holds replies that are given first, in order, before anything else."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.script: deque[Reply] = deque()
        self.calls: list[Call] = []
        self.usages: list[dict[str, Any]] = []  # of everything that was charged
        self._echo = ""
        self.in_flight = self.peak = 0
        self.port = 0
        self._connected: set[asyncio.StreamWriter] = set()
        self._restart = asyncio.Event()
        self.restarted = False
        # One stream each, so that the faults of the first n requests do not depend on what those ask for.
        self._faults_rng, self._rng = random.Random(faults.random_seed), random.Random(faults.random_seed + 1)
        self._bucket, self._filled_at = faults.burst or faults.rate_limit_rps, time.monotonic()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def answered(self) -> int:
        """How many requests got a completion."""
        return sum(call.outcome in ("ok", "malformed", "scripted") for call in self.calls)

    async def serve(self, port: int, stop: asyncio.Event, ready: threading.Event | None = None) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        if ready:
            ready.set()
        else:
            print(f"listening on {self.base_url}", flush=True)
        stopping, restarting = (asyncio.create_task(event.wait()) for event in (stop, self._restart))
        await asyncio.wait([stopping, restarting], return_when=asyncio.FIRST_COMPLETED)
        server.close()
        if restarting.done() and not stopping.done():
            self.restarted = True
            for writer in list(self._connected):
                writer.transport.abort()
            await asyncio.sleep(self.faults.restart_s)
            server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=2048)
            await stopping
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HTTP/1.1 with keep-alive and Content-Length, which is what API clients send."""
        self._connected.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                request_line, *lines = head.split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path = request_line.split(" ")[:2]
                payload = await self._respond(method, path.split("?")[0], headers, body, reader)
                if payload is None:
                    break
                writer.write(payload)
                await writer.drain()
        self._connected.discard(writer)
        writer.transport.abort()

    async def _respond(
        self, method: str, path: str, headers: dict[str, str], body: bytes, reader: asyncio.StreamReader
    ) -> bytes | None:
        """The bytes of the answer, or None to cut the connection."""
        self._echo = f" {headers.get('authorization', '')}" if self.faults.echo_key else ""
        if self.faults.api_key and headers.get("authorization") != f"Bearer {self.faults.api_key}":
            return self._error(401, f"Incorrect API key provided: {headers.get('authorization', '')}")
        if method == "GET" and path.endswith("/models"):
            return http_answer(200, {"object": "list", "data": [{"id": self.faults.model, "object": "model"}]})
        if method != "POST" or not path.endswith("/chat/completions"):
            return self._elsewhere(method, path, headers, body)
        return await self._chat(body, reader)

    def _elsewhere(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes | None:
        """What other servers have under other paths."""
        return self._error(404, f"no route {path}")

    async def _chat(self, body: bytes, reader: asyncio.StreamReader) -> bytes | None:
        if self.faults.restart_after and len(self.calls) >= self.faults.restart_after:
            self._restart.set()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        request = json.loads(body)
        try:
            outcome, payload = await self._complete(request)
            self.calls.append(Call(time.time(), outcome, request))
            if outcome == "hang":
                await reader.read()
        finally:
            self.in_flight -= 1
        return payload

    async def _complete(self, request: dict[str, Any]) -> tuple[str, bytes | None]:
        f = self.faults
        messages = json.dumps(request["messages"], sort_keys=True)
        if self.script:
            return "scripted", _canned(self.script.popleft(), request)
        if wait_s := self._must_wait():
            return "429", self._error(429, "rate limit", {"Retry-After": f"{wait_s:.3f}"})
        await asyncio.sleep(max(0.0, f.latency_ms + f.jitter_ms * self._rng.uniform(-1, 1)) / 1000)
        if f.always_500_if and f.always_500_if in messages:
            return "500", self._error(500, "this request always fails")
        match self._draw():
            case "500":
                return "500", self._error(500, "mock failure")
            case "429":
                return "429", self._error(429, "rate limit", {"Retry-After": "0.05"})
            case "drop" | "hang" as outcome:
                return outcome, None
        if refusal := self._refusal(request):
            return "400", self._error(400, refusal)
        cut = self._rng.random() < f.malformed_rate
        reply, is_json = self._answer(request, messages, cut=cut)
        self.usages.append(reply["usage"])
        if self._rng.random() < f.charged_for_nothing_rate:
            return "nothing", http_answer(200, {"choices": [], "usage": reply["usage"], "note": self._echo})
        return "malformed" if cut and is_json else "ok", http_answer(200, reply)

    def _draw(self) -> str:
        f, r = self.faults, self._faults_rng.random()
        rates = (("500", f.error_rate), ("429", f.random_429_rate), ("drop", f.drop_rate), ("hang", f.hang_rate))
        for outcome, rate in rates:
            if r < rate:
                return outcome
            r -= rate
        return "ok"

    def _must_wait(self) -> float:
        rps = self.faults.rate_limit_rps
        if not rps:
            return 0.0
        now = time.monotonic()
        self._bucket = min(self.faults.burst or rps, self._bucket + (now - self._filled_at) * rps)
        self._filled_at = now
        if self._bucket >= 1:
            self._bucket -= 1
            return 0.0
        return (1 - self._bucket) / rps

    def _refusal(self, request: dict[str, Any]) -> str:
        f, kind = self.faults, (request.get("response_format") or {}).get("type")
        if (kind == "json_schema" and f.json_schema == "refuse") or (
            kind == "json_object" and f.json_object == "refuse"
        ):
            return f"response_format of type {kind} is not supported"
        if f.n == "refuse" and request.get("n", 1) != 1:
            return "n > 1 is not supported"
        if f.logprobs == "refuse" and request.get("logprobs"):
            return "logprobs are not supported"
        if f.max_tokens == "refuse" and "max_tokens" in request:
            return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
        return ""

    def _answer(self, request: dict[str, Any], messages: str, *, cut: bool) -> tuple[dict[str, Any], bool]:
        f = self.faults
        seed = derive(request["model"].encode(), messages)
        if f.seed == "honour":
            seed = derive(seed, request.get("seed"))
        elif f.seed == "ignore":
            seed = derive(seed, self._rng.random())
        n = request.get("n", 1) if f.n == "honour" else 1
        asked = request.get("response_format") or {}
        fenced = bool(f.fenced_json_if) and f.fenced_json_if in messages
        if asked.get("type") == "json_schema" and f.json_schema == "honour":
            schema = asked["json_schema"]["schema"]
            texts = [json.dumps(instance(schema, derive(seed, i), schema)) for i in range(n)]
        elif (asked.get("type") == "json_object" and f.json_object == "honour") or fenced:
            texts = [json.dumps({"text": prose(derive(seed, i), 8)}) for i in range(n)]
        else:
            texts = [prose(derive(seed, i)) + self._echo for i in range(n)]
            cut = False
        texts = [text[: len(text) * 2 // 3] for text in texts] if cut else texts
        texts = [f"Here it is:\n```json\n{text}\n```" for text in texts] if fenced and not asked else texts
        logprobs = bool(request.get("logprobs")) and f.logprobs == "honour"
        body = completion(request, texts, logprobs=logprobs)
        usage = body["usage"]
        if f.cached_share:
            usage["prompt_tokens_details"] = {"cached_tokens": int(usage["prompt_tokens"] * f.cached_share)}
        usage["total_tokens"] += f.reasoning_tokens
        return body, bool(asked) or fenced

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> bytes:
        body, kind = error_body(self.faults.error_shape, message + self._echo)
        return http_answer(status, body, headers, kind)


def completion(
    request: dict[str, Any], texts: list[str], *, finish_reason: str = "stop", logprobs: bool = False
) -> dict[str, Any]:
    """The body of a chat completion."""
    prompt_tokens = sum(len(m["content"]) for m in request["messages"]) // 4 + 1
    completion_tokens = sum(len(text) // 4 + 1 for text in texts)
    return {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request["model"],
        "choices": [
            {
                "index": i,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": {"content": [{"token": text[:4], "logprob": -0.1}]} if logprobs else None,
                "finish_reason": finish_reason,
            }
            for i, text in enumerate(texts)
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def error_body(shape: ErrorShape, message: str) -> tuple[bytes | dict[str, Any], str]:
    """An error as one family of servers words it, and its content type."""
    json_type = "application/json"
    match shape:
        case "openai":
            return {"error": {"message": message, "type": "mock", "code": None}}, json_type
        case "text":
            return {"error": message}, json_type
        case "detail":
            return {"detail": message}, json_type
        case "validation":
            return {"detail": [{"loc": ["body", "messages"], "msg": message, "type": "value_error"}]}, json_type
        case "message":
            return {"object": "error", "message": message}, json_type
        case "plain":
            return message.encode(), "text/plain"
        case "html":
            page = f"<html><head><title>Oops</title></head><body><h1>Oops</h1><p>{message}</p></body></html>"
            return page.encode(), "text/html"
        case "empty":
            return b"", "text/plain"


def _canned(reply: Reply, request: dict[str, Any]) -> bytes:
    body: bytes | dict[str, Any]
    if isinstance(reply.body, str):
        body = completion(request, [reply.body], finish_reason=reply.finish_reason)
    else:
        body = reply.body
    return http_answer(reply.status, body, reply.headers, reply.content_type)


def http_answer(
    status: int, body: bytes | dict[str, Any], headers: dict[str, str] | None = None, kind: str = "application/json"
) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {kind}", f"Content-Length: {len(raw)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + raw


@contextlib.contextmanager
def mock_openai(**faults: Any) -> Iterator[MockOpenAI]:
    """A server on a free port, in a thread of its own, for as long as the body runs."""
    server = MockOpenAI(Faults(**faults))
    with serving(server):
        yield server


@contextlib.contextmanager
def serving(server: MockOpenAI) -> Iterator[None]:
    """This server, as `mock_openai` does."""
    ready = threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.serve(0, stop, ready))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the mock server did not start")
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; it is printed")
    parser.add_argument("--calls", type=Path, help="write a line for each request to this file, at the end")
    for f in fields(Faults):
        assert f.default is not MISSING
        choices = get_args(f.type) or None
        parser.add_argument(f"--{f.name.replace('_', '-')}", type=type(f.default), default=f.default, choices=choices)
    args = vars(parser.parse_args())
    port, calls = args.pop("port"), args.pop("calls")
    server = MockOpenAI(Faults(**args))

    async def run() -> None:
        stop = asyncio.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        await server.serve(port, stop)

    asyncio.run(run())
    if calls:
        calls.write_text("".join(json.dumps(call.__dict__) + os.linesep for call in server.calls), encoding="utf-8")


if __name__ == "__main__":
    main()
