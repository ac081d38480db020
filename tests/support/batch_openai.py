"""A mock server that takes batches as well: /v1/files and /v1/batches, with what can go wrong with them."""

import contextlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mock_openai import Call, Faults, MockOpenAI, http_answer, serving


@dataclass
class Troubles:
    """What becomes of batches, in the order in which they are created; lists are used up from their front."""

    delay_s: float = 0.0  # from creation to the end
    line_failures: list[int] = field(default_factory=list)  # requests of a batch that fail with a 500
    endings: list[str] = field(default_factory=list)  # "expired" or "cancelled" (half is done), "failed"
    silent: bool = False  # lines that were not executed stand in no file
    lose_answers: int = 0  # so many creations succeed, and the connection is cut before their answer
    max_lines: int = 10**9  # a batch of more fails: too many tokens are queued
    bad_line: dict[str, Any] | None = None  # this body with status 400 comes for every request with response_format


@dataclass
class Batch:
    id: str
    input_file: str
    metadata: dict[str, str]
    created: float
    key: str
    ending: str = "completed"
    output: str | None = None
    error_file: str | None = None
    errors: list[dict[str, str]] = field(default_factory=list)


class BatchOpenAI(MockOpenAI):
    """`line_calls` are the requests of batches, `usages` what their answers took."""

    def __init__(self, faults: Faults, troubles: Troubles) -> None:
        super().__init__(faults)
        self.troubles = troubles
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.line_calls: list[Call] = []
        self.own_keys_only = False  # a batch is seen with the key that made it, and with no other

    def asked_twice(self) -> int:
        """Requests of batches that were answered more than once."""
        keys = [call.body["custom_id"] for call in self.line_calls if call.outcome == "ok"]
        return len(keys) - len(set(keys))

    def _elsewhere(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes | None:
        key = headers.get("authorization", "")
        match method, path.removeprefix("/v1").strip("/").split("/"):
            case "POST", ["files"]:
                return self._upload(headers, body)
            case "GET", ["files", file, "content"] if file in self.files:
                return http_answer(200, self.files[file], kind="application/octet-stream")
            case "POST", ["batches"]:
                return self._create(json.loads(body), key)
            case "GET", ["batches"]:
                data = [self._state(batch) for batch in reversed(self.batches.values()) if self._visible(batch, key)]
                return http_answer(200, {"object": "list", "data": data, "has_more": False})
            case "GET", ["batches", found] if found in self.batches and self._visible(self.batches[found], key):
                return http_answer(200, self._state(self.batches[found]))
        return self._error(404, f"no route {path}")

    def _visible(self, batch: Batch, key: str) -> bool:
        return not self.own_keys_only or batch.key == key

    def _upload(self, headers: dict[str, str], body: bytes) -> bytes:
        boundary = headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = [part.partition(b"\r\n\r\n") for part in body.split(b"--" + boundary)]
        (content,) = [text.removesuffix(b"\r\n") for head, _, text in parts if b"filename=" in head]
        file = f"file-{len(self.files)}"
        self.files[file] = content
        return http_answer(
            200, {"id": file, "object": "file", "bytes": len(content), "created_at": 1, "purpose": "batch"}
        )

    def _create(self, request: dict[str, Any], key: str) -> bytes | None:
        t = self.troubles
        batch = Batch(
            f"batch_{len(self.batches)}", request["input_file_id"], request["metadata"], time.monotonic(), key
        )
        if t.endings:
            batch.ending = t.endings.pop(0)
        if self.files[batch.input_file].count(b"\n") > t.max_lines:
            batch.ending, batch.errors = "failed", [{"code": "token_limit_exceeded", "message": "Enqueued too much"}]
        elif batch.ending == "failed":
            batch.errors = [{"code": "model_not_found", "message": "The model does not do batches"}]
        self.batches[batch.id] = batch
        if t.lose_answers:
            t.lose_answers -= 1
            return None
        return http_answer(200, self._state(batch))

    def _state(self, batch: Batch) -> dict[str, Any]:
        status = "in_progress"
        if time.monotonic() - batch.created >= self.troubles.delay_s:
            status = batch.ending
            if status != "failed" and batch.output is None:
                self._work(batch)
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "input_file_id": batch.input_file,
            "completion_window": "24h",
            "status": status,
            "output_file_id": batch.output,
            "error_file_id": batch.error_file,
            "created_at": 1,
            "metadata": batch.metadata,
        }

    def _work(self, batch: Batch) -> None:
        """Answer its lines, in any order."""
        lines = [json.loads(line) for line in self.files[batch.input_file].splitlines()]
        random.Random(0).shuffle(lines)
        done = len(lines) if batch.ending == "completed" else len(lines) // 2
        failures = self.troubles.line_failures.pop(0) if self.troubles.line_failures else 0
        answers, errors = [], []
        for i, line in enumerate(lines):
            if i >= done and self.troubles.silent:
                continue
            told: dict[str, Any] = {"id": f"r{i}", "custom_id": line["custom_id"], "response": None, "error": None}
            if i >= done:
                told["error"] = {"code": f"batch_{batch.ending}", "message": "It was not executed."}
            elif self.troubles.bad_line and "response_format" in line["body"]:
                told["response"] = {"status_code": 400, "request_id": "x", "body": self.troubles.bad_line}
            elif i < failures:
                told["response"] = {"status_code": 500, "request_id": "x", "body": {"error": {"message": "mock"}}}
            else:
                reply, _ = self._answer(line["body"], json.dumps(line["body"]["messages"], sort_keys=True), cut=False)
                self.usages.append(reply["usage"])
                told["response"] = {"status_code": 200, "request_id": "x", "body": reply}
            ok = told["response"] is not None and told["response"]["status_code"] == 200
            self.line_calls.append(Call(time.time(), "ok" if ok else "failed", line))
            (answers if ok else errors).append(json.dumps(told).encode())
        batch.output, batch.error_file = f"{batch.id}-out", f"{batch.id}-errors"
        self.files[batch.output], self.files[batch.error_file] = b"\n".join(answers), b"\n".join(errors)


@contextlib.contextmanager
def batch_openai(troubles: Troubles | None = None, **faults: Any) -> Iterator[BatchOpenAI]:
    """Such a server on a free port, for as long as the body runs."""
    server = BatchOpenAI(Faults(**faults), troubles or Troubles())
    with serving(server):
        yield server
