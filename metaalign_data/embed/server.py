"""Embeddings by a server that speaks OpenAI's /v1/embeddings.

A batch of texts travels as a ChatRequest, a message for each, and its vectors come back in the text of the completion,
as base64. So the layers that bound, retry, pay and record what a teacher is asked do the same for embeddings.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from pydantic import BaseModel, Field, field_validator

from metaalign_data.chat import FROZEN, ChatRequest, Completion, Message, Usage
from metaalign_data.embed.vectors import Vectors
from metaalign_data.errors import TeacherError, TeacherUnusable
from metaalign_data.teacher.openai.connection import Connection, server_address
from metaalign_data.teacher.openai.failures import redact
from metaalign_data.teacher.price import Usd

BATCH = 128
"""Texts of one request."""


class EmbeddingServer(BaseModel):
    """A model behind a server, and how to ask it."""

    model_config = FROZEN
    model: str = Field(min_length=1, description="name of the model, as the server lists it")
    base_url: str | None = Field(default=None, description="where the server is; null is OPENAI_BASE_URL, else OpenAI")
    api_key_env: str = Field(default="OPENAI_API_KEY", description="environment variable that holds the key")
    price: Usd | None = Field(default=None, description="USD per million tokens; null is unknown, not free")
    max_concurrency: int = Field(default=8, ge=1, description="requests in flight at most")
    timeout_s: float = Field(default=120.0, gt=0, description="deadline of one attempt")
    max_attempts: int = Field(default=6, ge=1, description="tries of one request; a 429 is not counted")

    @field_validator("base_url")
    @classmethod
    def _is_a_url_without_secrets(cls, url: str | None) -> str | None:
        return None if url is None else server_address(url)


class EmbeddingClient:
    """One attempt at one batch: what teacher/base.py calls a Client, as far as `build_stack` needs it."""

    def __init__(self, server: EmbeddingServer) -> None:
        self.server = server
        self.connection = Connection(server.base_url, server.api_key_env)

    @property
    def model(self) -> str:
        return self.server.model

    @property
    def identity(self) -> str:
        return "embeddings " + json.dumps({"base_url": self.connection.base_url, "model": self.model}, sort_keys=True)

    def check(self) -> Sequence[str]:
        """Every reason why this server cannot be asked, found out without cost."""
        return self.connection.check(self.model)

    async def probe(self) -> dict[str, object]:
        return {}

    def remember(self, facts: dict[str, object]) -> None: ...

    async def complete(self, request: ChatRequest) -> Completion:
        """The vectors of the messages' texts, in their order. Raises TeacherError."""
        texts = [message.content for message in request.messages]
        body = {"model": self.model, "input": texts, "encoding_format": "float"}
        vectors, usage = _read_reply(
            (await self.connection.post("/embeddings", body)).body, request, self.connection.key
        )
        return Completion(text=base64.b64encode(vectors.tobytes()).decode(), model=self.model, usage=usage)

    async def aclose(self) -> None:
        await self.connection.aclose()


Ask = Callable[[EmbeddingServer, Sequence[ChatRequest]], Sequence[Completion]]


class ServedModel:
    """An Embedder. `ask` answers requests in their order and blocks until it has."""

    def __init__(self, server: EmbeddingServer, ask: Ask) -> None:
        self.server, self._ask = server, ask

    @cached_property
    def identity(self) -> str:
        return EmbeddingClient(self.server).identity

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Servers refuse empty texts: a space stands in for one. Raises TeacherUnusable and BudgetReached."""
        said = [Message(role="user", content=text if text.strip() else " ") for text in texts]
        batches = [said[start : start + BATCH] for start in range(0, len(said), BATCH)]
        requests = [ChatRequest(messages=tuple(batch), temperature=0.0, max_tokens=1) for batch in batches]
        answers = self._ask(self.server, requests)
        found = [_vectors(answer, len(batch)) for answer, batch in zip(answers, batches, strict=True)]
        if len(dimensions := sorted({vectors.shape[1] for vectors in found})) > 1:
            raise TeacherUnusable(f"embedding with {self.server.model}: vectors of {dimensions} dimensions, not of one")
        return np.concatenate(found) if found else np.zeros((0, 1), dtype=np.float32)


def _vectors(answer: Completion, texts: int) -> Vectors:
    try:
        flat = np.frombuffer(base64.b64decode(answer.text, validate=True), dtype=np.float32)
    except binascii.Error as e:
        raise TeacherError("malformed", f"the ledger holds no vectors for this batch: {e}") from e
    vectors = flat.reshape(texts, -1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


class _Lenient(BaseModel):
    model_config = {"extra": "ignore"}


class _Row(_Lenient):
    index: int
    embedding: list[float]


class _Tokens(_Lenient):
    prompt_tokens: int = Field(default=0, ge=0)


class _Reply(_Lenient):
    data: list[_Row]
    usage: _Tokens = _Tokens()


def _read_reply(body: bytes, request: ChatRequest, key: str) -> tuple[Vectors, Usage]:
    """Vectors by `index`, and tokens (a quarter of the characters where the server does not count)."""
    try:
        reply = _Reply.model_validate_json(body)
    except ValueError as e:
        said = redact(str(e), key)[:200]
        raise TeacherError("malformed", f"the server's answer holds no embeddings: {said}") from None
    rows = sorted(reply.data, key=lambda row: row.index)
    if [row.index for row in rows] != list(range(len(request.messages))) or len({len(r.embedding) for r in rows}) != 1:
        raise TeacherError("malformed", f"asked for {len(request.messages)} embeddings of one length, got others")
    tokens = reply.usage.prompt_tokens or sum(len(message.content) for message in request.messages) // 4 + 1
    vectors = np.array([row.embedding for row in rows])
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths) & (lengths > 0)).all():  # in the ledger it would come back in every run
        raise TeacherError("malformed", "the server's answer holds embeddings that are not finite, or all zeros")
    return (vectors / lengths[:, None]).astype(np.float32), Usage(prompt_tokens=tokens, completion_tokens=0)
