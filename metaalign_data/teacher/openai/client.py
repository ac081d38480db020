"""The `openai` provider: one request, one attempt, one completion or a TeacherError that says why not."""

import json
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from metaalign_data.chat import ChatRequest, Completion
from metaalign_data.errors import TeacherError, UserError
from metaalign_data.prompting import Library
from metaalign_data.teacher.openai.check import check_server, is_loopback
from metaalign_data.teacher.openai.dialect import Dialect
from metaalign_data.teacher.openai.failures import failure, redact
from metaalign_data.teacher.openai.probe import probe
from metaalign_data.teacher.openai.reply import Reply, read_reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_BASE_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent where no key is set: local servers want none, and the client library does not go without."""


def server_address(url: str) -> str:
    """`url` without a slash at its end. Raises ValueError where it is no address or holds a secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username or parts.password or parts.query:
        raise ValueError("must hold no key or password; put it into the variable that api_key_env names")
    return url.rstrip("/")


def _address_from_environment() -> str:
    url = os.environ.get("OPENAI_BASE_URL", "")
    try:
        return url and server_address(url)
    except ValueError as e:
        raise UserError(str(e), where="OPENAI_BASE_URL") from None


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

        @field_validator("base_url")
        @classmethod
        def _is_a_url_without_secrets(cls, url: str | None) -> str | None:
            return None if url is None else server_address(url)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.base_url = config.base_url or _address_from_environment() or DEFAULT_BASE_URL
        self.notices: set[str] = set()
        self._dialect = Dialect(config.model, config.top_p, config.extra_body, Library())

    @property
    def model(self) -> str:
        return self.config.model

    @cached_property
    def identity(self) -> str:
        shaping = {"base_url": self.base_url, **self.config.model_dump(include={"model", "top_p", "extra_body"})}
        return "openai " + json.dumps(shaping, sort_keys=True)

    async def complete(self, request: ChatRequest) -> Completion:
        """One attempt. Asks again at once where the server refuses a way of asking for which there is another."""
        reply = await self._adapting(lambda: self._dialect.parameters(request))
        return reply.completion(request, self.model)

    def check(self) -> Sequence[str]:
        """Key, server and model, by asking for the list of models: no cost, and no import of the client library."""
        if self.base_url == DEFAULT_BASE_URL and not self._key:
            return [f"{self.config.api_key_env} is not set; export it, or name another variable with api_key_env"]
        return check_server(self.base_url, self._key, self.config.api_key_env, self.config.model)

    async def probe(self) -> dict[str, object]:
        """What the server honours: a few requests of some tokens each, which no budget counts."""
        return await probe(self._send, self._adapting, self._dialect.basics)

    def remember(self, facts: dict[str, object]) -> None:
        self.notices |= self._dialect.take(facts)

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            await self._client.close()

    @property
    def _key(self) -> str:
        return os.environ.get(self.config.api_key_env, "").strip()

    @cached_property
    def _client(self) -> "AsyncOpenAI":
        import openai

        # The layers around this one bound the connections and the time. A proxy cannot reach this machine's loopback.
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=None, max_keepalive_connections=None)
        http = openai.DefaultAsyncHttpxClient(limits=limits, trust_env=not is_loopback(self.base_url))
        return openai.AsyncOpenAI(
            api_key=self._key or NO_KEY, base_url=self.base_url, max_retries=0, timeout=None, http_client=http
        )

    async def _adapting(self, parameters: Callable[[], dict[str, Any]]) -> Reply:
        while True:
            sent = parameters()
            try:
                return await self._send(sent)
            except TeacherError as e:
                if e.reason != "bad_request" or not (notice := self._dialect.learn(str(e), sent)):
                    raise
                self.notices.add(notice)

    async def _send(self, parameters: dict[str, Any]) -> Reply:
        import openai

        try:
            raw = await self._client.chat.completions.with_raw_response.create(**parameters)
        except openai.APITimeoutError:
            raise TeacherError("timeout", f"{self.base_url} took too long") from None
        except openai.APIConnectionError as e:
            cause = redact(str(e.__cause__ or e), self._key) or type(e.__cause__).__name__
            raise TeacherError("connection", f"{self.base_url}: {cause}") from None
        except openai.APIStatusError as e:  # its request holds the key: nothing of it may reach a traceback
            raise failure(e.status_code, e.response.content, e.response.headers, self._key) from None
        return read_reply(raw.http_response.content)
