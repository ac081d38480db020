"""The way to one server: address, key, and its failures as TeacherErrors."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from metaalign_data.errors import TeacherError, UserError
from metaalign_data.teacher.openai.check import check_server, is_loopback
from metaalign_data.teacher.openai.failures import failure, redact
from metaalign_data.teacher.openai.trust import objection

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


class Connection:
    """Without `base_url` it leads to OPENAI_BASE_URL, else to OpenAI. The key is the value of `api_key_env`."""

    def __init__(self, base_url: str | None, api_key_env: str) -> None:
        self.base_url = base_url or _address_from_environment() or DEFAULT_BASE_URL
        self.api_key_env = api_key_env

    @property
    def key(self) -> str:
        return os.environ.get(self.api_key_env, "").strip()

    @property
    def objection(self) -> str:
        """Why the key must not go to this server; "" where it may, or where there is none."""
        return objection(self.api_key_env, self.base_url) if self.key else ""

    @cached_property
    def client(self) -> "AsyncOpenAI":
        import openai

        if refusal := self.objection:
            raise UserError(refusal)
        # The layers around a client bound the connections and the time. A proxy cannot reach this machine's loopback.
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=None, max_keepalive_connections=None)
        http = openai.DefaultAsyncHttpxClient(limits=limits, trust_env=not is_loopback(self.base_url))
        return openai.AsyncOpenAI(
            api_key=self.key or NO_KEY, base_url=self.base_url, max_retries=0, timeout=None, http_client=http
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
        if "client" in self.__dict__:
            await self.client.close()
