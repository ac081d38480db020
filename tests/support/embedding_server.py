"""A server of embeddings on loopback: hashed n-grams behind OpenAI's /v1/embeddings, and what goes wrong on order."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from metaalign_data.embed import HASHED_NGRAMS, embedder


class EmbeddingEndpoint:
    """`refusals` are statuses for the next requests; `altered` may change the rows of an answer."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.refusals: list[int] = []
        self.altered: Any = lambda rows: rows
        self.keys: set[str] = set()
        self.models = ["small-embedder"]
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.batches for text in batch]

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.refusals:
            return self.refusals.pop(0), {"error": {"message": "not now"}}
        texts = request["input"]
        if not all(text for text in texts):
            return 400, {"error": {"message": "empty input"}}
        self.batches.append(texts)
        vectors = 3 * embedder(HASHED_NGRAMS).embed(texts)  # of any length: the client scales them
        rows = [{"index": i, "embedding": vector.tolist()} for i, vector in enumerate(vectors)]
        usage = {"prompt_tokens": sum(map(len, texts)), "total_tokens": 0}
        return 200, {"data": self.altered(rows[::-1]), "model": request["model"], "usage": usage}


@contextlib.contextmanager
def embedding_server() -> Iterator[EmbeddingEndpoint]:
    endpoint = EmbeddingEndpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": model} for model in endpoint.models]})

        def do_POST(self) -> None:
            endpoint.keys.add(self.headers.get("Authorization", ""))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(*endpoint.answer(body))

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
