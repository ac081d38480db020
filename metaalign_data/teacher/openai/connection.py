"""The way to one server: address, key, and its failures as TeacherErrors."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from metaalign_data.errors import TeacherError, TeacherUnusable, UserError
from metaalign_data.teacher.openai.check import check_server, is_loopback
from metaalign_data.teacher.openai.failures import failure, redact
from metaalign_data.teacher.openai.quotas import read_quotas
from metaalign_data.teacher.openai.trust import objection
from metaalign_data.teacher.openai.wire import Answer, Wire
from metaalign_data.teacher.pace import Quota

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_BASE_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent where no key is set: local servers want none, and the client library does not go without."""

_ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


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


class Connection:
    """Without `base_url` it leads to OPENAI_BASE_URL, else to OpenAI. The key is the value of `api_key_env`."""

    def __init__(self, base_url: str | None, api_key_env: str) -> None:
        self.base_url = base_url or _address_from_environment() or DEFAULT_BASE_URL
        self.api_key_env = api_key_env
        self.heard: Callable[[tuple[Quota, ...]], None] | None = None
        """Told what is left of the server's limits, when an answer says so."""

    @property
    def key(self) -> str:
        return os.environ.get(self.api_key_env, "").strip()

    @property
    def objection(self) -> str:
        """Why the key must not go to this server; "" where it may, or where there is none."""
        return objection(self.api_key_env, self.base_url) if self.key else ""

    @property
    def _bearer(self) -> str:
        """What is sent as the key. Raises TeacherUnusable where it must not go to this server."""
        if refusal := self.objection:
            raise TeacherUnusable(refusal)
        return self.key or NO_KEY

    @cached_property
    def _wire(self) -> Wire:
        headers = {"Authorization": f"Bearer {self._bearer}"}
        headers |= {name: value for name, variable in _ACCOUNT.items() if (value := os.environ.get(variable))}
        # A proxy cannot reach this machine's loopback.
        return Wire(headers, proxied=not is_loopback(self.base_url))

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """The answer to `body`, as JSON, at `path` ("/chat/completions"). Raises TeacherError without secrets in it."""
        from aiohttp import ClientError

        raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        try:
            answer = await self._wire.post(self.base_url + path, raw)
        except (ClientError, OSError) as e:
            cause = redact(str(e), self.key) or type(e).__name__
            raise TeacherError("connection", f"{self.base_url}: {cause}") from None
        if self.heard and (quotas := read_quotas(answer.headers)):
            self.heard(quotas)
        if answer.status >= 400:
            raise failure(answer.status, answer.body, answer.headers, self.key) from None
        if answer.status >= 300:
            there = redact(answer.headers.get("location", "nowhere"), self.key)
            raise TeacherUnusable(f"{self.base_url} sends elsewhere, to {there}; give that as base_url if it is right")
        return answer

    @cached_property
    def client(self) -> "AsyncOpenAI":
        """The openai package, for what is asked seldom: files and batches."""
        import openai

        # The layers around a client bound the connections and the time. A proxy cannot reach this machine's loopback.
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=None, max_keepalive_connections=None)
        http = openai.DefaultAsyncHttpxClient(limits=limits, trust_env=not is_loopback(self.base_url))
        return openai.AsyncOpenAI(
            api_key=self._bearer, base_url=self.base_url, max_retries=0, timeout=None, http_client=http
        )

    def check(self, model: str) -> Sequence[str]:
        """Key, server and model, by asking for the list of models: no cost, and no import of the client library."""
        if self.base_url == DEFAULT_BASE_URL and not self.key:
            return [f"{self.api_key_env} is not set; export it, or name another variable with api_key_env"]
        if refusal := self.objection:
            return [refusal]
        return check_server(self.base_url, self.key, self.api_key_env, model)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Failures of the client library as TeacherErrors without secrets."""
        import openai

        try:
            yield
        except openai.APITimeoutError:
            raise TeacherError("timeout", f"{self.base_url} took too long") from None
        except openai.APIConnectionError as e:
            cause = redact(str(e.__cause__ or e), self.key) or type(e.__cause__).__name__
            raise TeacherError("connection", f"{self.base_url}: {cause}") from None
        except openai.APIStatusError as e:  # its request holds the key: nothing of it may reach a traceback
            raise failure(e.status_code, e.response.content, e.response.headers, self.key) from None

    async def aclose(self) -> None:
        if "_wire" in self.__dict__:
            await self._wire.aclose()
        if "client" in self.__dict__:
            await self.client.close()
