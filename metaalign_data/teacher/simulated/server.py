"""The simulated teacher behind HTTP: an OpenAI-compatible server on loopback, for tests, benchmarks and any client."""

import asyncio
import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from metaalign_data.chat import ChatRequest, Completion, Message
from metaalign_data.errors import TeacherError, UserError
from metaalign_data.teacher.simulated.teacher import MODEL, SimulatedTeacher

MAX_BODY_BYTES = 16 * 2**20
READ_TIMEOUT_S = 60.0
_LENGTH_DIGITS = 12
_CREATED = 1_700_000_000  # fixed, so that equal requests have equal bodies
_LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]", "::1"}
_FINISH = {"stop": "stop", "length": "length", "refused": "content_filter"}


class _ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] = Field(default_factory=dict)


class _Body(BaseModel):
    """What the server takes of a chat completion request. Other keys are ignored, as other servers do."""

    model: str
    messages: tuple[Message, ...] = Field(min_length=1)
    temperature: float = Field(default=1.0, ge=0.0, le=2.0)
    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    n: int = Field(default=1, ge=1, le=128)
    seed: int | None = Field(default=None, ge=0)
    stream: bool = False
    logprobs: bool = False
    response_format: _ResponseFormat = _ResponseFormat()


@dataclass(frozen=True)
class _Reply:
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class _BadRequest(Exception):
    def __init__(self, message: str, status: int = 400, param: str | None = None) -> None:
        self.reply = _error(status, message, "invalid_request_error", param)
        super().__init__(message)


async def serve(
    config: SimulatedTeacher.Config, *, host: str = "127.0.0.1", port: int = 0, on_ready: Callable[[int], object]
) -> None:
    """Serve until cancelled. `port` 0 takes a free one; `on_ready` is called with the port once connections are taken.

    Raises UserError when `host` is not a loopback address, or the port cannot be had.
    """
    if not _is_loopback(host):
        raise UserError(f"simulate-server does not listen on {host}", fix="use 127.0.0.1: it has no keys and no users")
    teacher = SimulatedTeacher(config)
    talks: set[asyncio.Task[None]] = set()

    def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_talk(teacher, reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    try:
        server = await asyncio.start_server(talk, host, port)
    except OSError as e:
        raise UserError(f"port {port} cannot be opened: {e.strerror}", fix="choose another with --port") from e
    async with server:
        on_ready(server.sockets[0].getsockname()[1])
        try:
            await server.serve_forever()
        finally:
            for task in talks:  # else closing waits for clients that keep their connections
                task.cancel()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _talk(teacher: SimulatedTeacher, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, one after the other, until either side has enough."""
    try:
        open_still = True
        while open_still:
            try:
                method, path, headers, body = await _request(reader)
                reply = await _route(teacher, method, path, headers, body)
                open_still = headers.get("connection", "").lower() != "close"
            except _BadRequest as e:
                reply, open_still = e.reply, False
            writer.write(_encoded(reply))
            await writer.drain()
    except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
        pass  # the client left or fell silent
    finally:
        writer.close()


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path, headers by lower-case name, body. Raises _BadRequest where it is no request that can be read."""
    async with asyncio.timeout(READ_TIMEOUT_S):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise _BadRequest("the headers are too long", 431) from None
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        fields = [line.partition(":") for line in lines]
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        length = headers.get("content-length", "0")
        if len(first.split()) != 3:
            raise _BadRequest("this is not HTTP")
        if "transfer-encoding" in headers or not (length.isascii() and length.isdecimal()):
            raise _BadRequest("send the body with a Content-Length", 411)
        if len(length) > _LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
            raise _BadRequest(f"the body is longer than {MAX_BODY_BYTES} bytes", 413)
        body = await reader.readexactly(int(length))
    method, target, _ = first.split()
    return method, target.partition("?")[0], headers, body


async def _route(teacher: SimulatedTeacher, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Reply:
    if headers.get("host", "").rpartition(":")[0] not in _LOCAL_NAMES and headers.get("host") not in _LOCAL_NAMES:
        # A web page can point a name of its own at 127.0.0.1; its requests then carry that name.
        raise _BadRequest("this server answers only to localhost", 403)
    match method, path:
        case "GET", "/v1/models":
            model = {"id": MODEL, "object": "model", "created": _CREATED, "owned_by": "metaalign-data"}
            return _Reply(200, {"object": "list", "data": [model]})
        case "POST", "/v1/chat/completions":
            return await _chat(teacher, body)
    return _error(404, f"no {method} {path} here; there are GET /v1/models and POST /v1/chat/completions", "not_found")


async def _chat(teacher: SimulatedTeacher, body: bytes) -> _Reply:
    try:
        asked = _Body.model_validate_json(body)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or None
        return _error(400, f"{place or 'body'}: {first['msg']}", "invalid_request_error", place)
    for option in ("stream", "logprobs"):
        if getattr(asked, option):
            return _error(400, f"the simulated teacher does not do {option}", "invalid_request_error", option)
    if asked.model != MODEL:
        return _error(404, f"there is no model '{asked.model}' here, only '{MODEL}'", "invalid_request_error", "model")
    base = ChatRequest(
        messages=_with_format(asked),
        temperature=asked.temperature,
        max_tokens=asked.max_completion_tokens or asked.max_tokens or 4096,
        sample=(asked.seed or 0) * 128,
    )
    try:
        answers = await asyncio.gather(*(teacher.complete(base.again(base.sample + i)) for i in range(asked.n)))
    except TeacherError as e:
        if e.reason == "rate_limited":
            return _error(429, str(e), "rate_limit_error", headers={"Retry-After": f"{e.retry_after_s:g}"})
        return _error(500, str(e), "server_error")
    return _Reply(200, _completions(answers))


def _with_format(asked: _Body) -> tuple[Message, ...]:
    """The messages, with what `response_format` asks for in words: the teacher sees messages and nothing else."""
    match asked.response_format.type:
        case "json_object":
            wanted = "Answer with one JSON object."
        case "json_schema":
            schema = json.dumps(asked.response_format.json_schema.get("schema", {}))
            wanted = f"Answer with one JSON value that is valid against this JSON Schema:\n{schema}"
        case _:
            return asked.messages
    return (*asked.messages, Message(role="system", content=wanted))


def _completions(answers: list[Completion]) -> dict[str, Any]:
    prompt_tokens = answers[0].usage.prompt_tokens
    completion_tokens = sum(answer.usage.completion_tokens for answer in answers)
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": answer.text},
            "finish_reason": _FINISH[answer.finish_reason],
        }
        for i, answer in enumerate(answers)
    ]
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    return {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": _CREATED,
        "model": MODEL,
        "choices": choices,
        "usage": usage,
    }


def _error(
    status: int, message: str, kind: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> _Reply:
    return _Reply(status, {"error": {"message": message, "type": kind, "param": param, "code": None}}, headers or {})


def _encoded(reply: _Reply) -> bytes:
    content = json.dumps(reply.body, ensure_ascii=False).encode()
    head = {"Content-Type": "application/json", "Content-Length": str(len(content)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}", *(f"{k}: {v}" for k, v in head.items())]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + content
