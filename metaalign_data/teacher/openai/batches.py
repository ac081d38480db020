"""The Batch API of OpenAI, and of servers that speak it: files with a request in each line."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from metaalign_data.chat import ChatRequest, Completion, Message
from metaalign_data.errors import TeacherError, TeacherUnusable
from metaalign_data.teacher.batch.base import Job, Line
from metaalign_data.teacher.openai.connection import Connection
from metaalign_data.teacher.openai.dialect import Dialect
from metaalign_data.teacher.openai.failures import failure, redact
from metaalign_data.teacher.openai.reply import read_reply

if TYPE_CHECKING:
    from openai.types import Batch

MARK = "metaalign_mark"
SEARCHED = 500
"""Batches that are looked through for one that was started an instant before the end."""
_EXPIRED, _CANCELLED = "batch_expired", "batch_cancelled"


class OpenAIBatches:
    """Implements teacher.batch.base.Batches. What refusals teach goes into `dialect` and `notices`."""

    def __init__(self, connection: Connection, dialect: Dialect, notices: set[str]) -> None:
        self.connection, self.dialect, self.notices = connection, dialect, notices

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"metaalign {self.connection.key}".encode()).hexdigest()[:12]

    def body(self, request: ChatRequest) -> dict[str, Any]:
        return self.dialect.parameters(request)

    def read(self, line: Line, request: ChatRequest, sent: dict[str, Any]) -> Completion:
        key = self.connection.key
        if line.code == _CANCELLED:
            raise TeacherUnusable("the batch was cancelled; run the same recipe again to ask what is missing")
        if line.code == _EXPIRED:
            raise TeacherError("timeout", "the batch expired before this request's turn")
        if line.status == 200:
            return read_reply(json.dumps(line.body).encode(), key).completion(request, self.dialect.model)
        if not line.status:
            raise TeacherError("server_error", redact(f"{line.code}: {line.message}", key)[:300])
        error = failure(line.status, json.dumps(line.body).encode(), {}, key)
        if error.reason == "bad_request" and (notice := self.dialect.learn(str(error), sent)):
            self.notices.add(notice)
        elif error.reason != "rate_limited":
            raise error
        raise TeacherError("server_error", str(error))  # to be asked in another way, or later: in another batch

    async def submit(self, lines: bytes, mark: str) -> str:
        client = self.connection.client
        with self.connection.translated():
            file = await client.files.create(file=(f"{mark}.jsonl", lines, "application/jsonl"), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={MARK: mark},
            )
        return batch.id

    async def find(self, mark: str) -> Job | None:
        seen = 0
        with self.connection.translated():
            async for batch in self.connection.client.batches.list(limit=100):
                seen += 1
                if (batch.metadata or {}).get(MARK) == mark:
                    return _job(batch)
                if seen >= SEARCHED:
                    break
        return None

    async def look(self, job_id: str) -> Job | None:
        import openai

        with self.connection.translated():
            try:
                return _job(await self.connection.client.batches.retrieve(job_id))
            except openai.NotFoundError:
                return None

    async def lines(self, job: Job) -> AsyncIterator[Line]:
        for file in job.files:
            async for found in self._file(file):
                response, error = found.get("response") or {}, found.get("error") or {}
                yield Line(
                    str(found.get("custom_id")),
                    int(response.get("status_code") or 0),
                    response.get("body"),
                    str(error.get("code") or ""),
                    str(error.get("message") or ""),
                )

    async def requests(self, job: Job) -> dict[str, ChatRequest]:
        try:
            return {str(line["custom_id"]): _request(line["body"]) async for line in self._file(job.input_file)}
        except (TeacherError, KeyError, ValueError, TypeError):  # the server has it no more, or never understood it
            return {}

    async def _file(self, file: str) -> AsyncIterator[dict[str, Any]]:
        """The lines of a file on the server that are JSON objects; the rest counts as missing."""
        rest = b""
        with self.connection.translated():
            async with self.connection.client.files.with_streaming_response.content(file) as response:
                async for chunk in response.iter_bytes():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        if found := _object(line):
                            yield found
        if found := _object(rest):
            yield found


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _job(batch: "Batch") -> Job:
    errors = "; ".join(f"{e.message} ({e.code})" for e in (batch.errors.data or ())) if batch.errors else ""
    return Job(
        id=batch.id,
        status=batch.status,
        mark=(batch.metadata or {}).get(MARK, ""),
        input_file=batch.input_file_id or "",
        files=tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
        errors=errors,
    )


def _request(body: dict[str, Any]) -> ChatRequest:
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 1
    messages = tuple(Message(role=m["role"], content=m["content"]) for m in body["messages"])
    return ChatRequest(messages=messages, temperature=body.get("temperature", 1.0), max_tokens=limit)
