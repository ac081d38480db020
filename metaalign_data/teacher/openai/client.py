"""The `openai` provider: one request, one attempt, one completion or a TeacherError that says why not."""

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from metaalign_data.chat import ChatRequest, Completion, Usage
from metaalign_data.errors import TeacherError
from metaalign_data.prompting import Library
from metaalign_data.teacher.openai.batches import OpenAIBatches
from metaalign_data.teacher.openai.connection import Connection, server_address
from metaalign_data.teacher.openai.dialect import Dialect
from metaalign_data.teacher.openai.probe import Send, probe
from metaalign_data.teacher.openai.reply import Reply, read_reply


class OpenAITeacher:
    """Without `base_url` it is OPENAI_BASE_URL, else OpenAI itself.

    The key comes from the environment variable that `api_key_env` names. JSON is asked for as json_schema, json_object
    or in plain words, whichever the server honours: found out by `probe`, or learnt from its refusals on the way.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        model: str = Field(min_length=1, description="name of the model, as the server lists it")
        base_url: str | None = Field(default=None, description="where the server is, with /v1 if it has that")
        api_key_env: str = Field(default="OPENAI_API_KEY", description="environment variable that holds the key")
        top_p: float | None = Field(default=None, gt=0.0, le=1.0)
        extra_body: dict[str, Any] = Field(default_factory=dict, description="sent along with each request as it is")

        answers_of: str | None = Field(default=None, description="the server's earlier base_url; its answers count on")

        @field_validator("base_url", "answers_of")
        @classmethod
        def _is_a_url_without_secrets(cls, url: str | None) -> str | None:
            return None if url is None else server_address(url)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.connection = Connection(config.base_url, config.api_key_env)
        self.notices: set[str] = set()
        self.expenses: list[Usage] = []
        self._dialect = Dialect(config.model, config.top_p, config.extra_body, Library())

    @property
    def model(self) -> str:
        return self.config.model

    @cached_property
    def identity(self) -> str:
        shaping = {
            "base_url": self.config.answers_of or self.connection.base_url,
            **self.config.model_dump(include={"model", "top_p", "extra_body"}),
        }
        return "openai " + json.dumps(shaping, sort_keys=True)

    @cached_property
    def batches(self) -> OpenAIBatches:
        return OpenAIBatches(self.connection, self._dialect, self.notices)

    @property
    def endpoint(self) -> str:
        """Server, account and model: what a server's limits are about."""
        return f"{self.connection.base_url} {self.config.api_key_env} {self.model}"

    async def complete(self, request: ChatRequest) -> Completion:
        """One attempt. Asks again at once where the server refuses a way of asking for which there is another."""
        reply = await self._adapting(lambda: self._dialect.parameters(request), self._send)
        return reply.completion(request, self.model)

    def check(self) -> Sequence[str]:
        """Key, server and model, by asking for the list of models: no cost, and no import of the client library."""
        return self.connection.check(self.config.model)

    async def probe(self) -> dict[str, object]:
        """What the server honours: a few requests of some tokens each, which go into `expenses`."""

        async def send(parameters: dict[str, Any]) -> Reply:
            try:
                reply = await self._send(parameters)
            except TeacherError as e:
                self.expenses += [e.charged] if e.charged else []
                raise
            self.expenses.append(reply.counted([message["content"] for message in parameters["messages"]]))
            return reply

        async def adapting(parameters: Callable[[], dict[str, Any]]) -> Reply:
            return await self._adapting(parameters, send)

        found = await probe(send, adapting, self._dialect.basics)
        return found and found | self._dialect.learnt

    def remember(self, facts: dict[str, object]) -> None:
        self.notices |= self._dialect.take(facts)

    async def aclose(self) -> None:
        await self.connection.aclose()

    async def _adapting(self, parameters: Callable[[], dict[str, Any]], send: Send) -> Reply:
        while True:
            sent = parameters()
            try:
                return await send(sent)
            except TeacherError as e:
                if e.reason != "bad_request" or not (notice := self._dialect.learn(str(e), sent)):
                    raise
                self.notices.add(notice)

    async def _send(self, parameters: dict[str, Any]) -> Reply:
        answer = await self.connection.post("/chat/completions", parameters)
        return read_reply(answer.body, self.connection.key)
