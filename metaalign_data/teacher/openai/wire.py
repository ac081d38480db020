"""POST to one server over kept-alive connections: aiohttp, and nothing else between a request and its bytes.

The openai package costs five times the processor time for each request, in its models and in httpx: at 256 requests in
flight that, and not the server, set the pace (benchmarks/bench_throughput.py).
"""

import os
import ssl
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aiohttp import ClientSession

IDLE_S = 15.0
"""After so long an unused connection is dropped: servers close theirs too, and a request on its way would be lost."""


class Answer(NamedTuple):
    """What came back. Names in `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """`headers` go with each request. With `proxied` the environment's proxies are used (HTTPS_PROXY and the like)."""

    def __init__(self, headers: Mapping[str, str], *, proxied: bool) -> None:
        self._headers, self._proxied = {"Content-Type": "application/json", **headers}, proxied
        self._session: ClientSession | None = None

    async def post(self, url: str, body: bytes) -> Answer:
        """One request, without a deadline and without following a redirect, which would carry the key elsewhere.

        Raises aiohttp.ClientError and OSError.
        """
        session = self._session or self._opened(encrypted=url.startswith("https:"))
        async with session.post(url, data=body, allow_redirects=False) as response:
            return Answer(response.status, response.headers, await response.read())

    def _opened(self, *, encrypted: bool) -> "ClientSession":
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

        # The layers around a client bound the connections and the time.
        connector = TCPConnector(limit=0, keepalive_timeout=IDLE_S, ssl=_trusting() if encrypted else False)
        self._session = ClientSession(
            connector=connector,
            headers=self._headers,
            timeout=ClientTimeout(total=None),
            trust_env=self._proxied,
            cookie_jar=DummyCookieJar(),
        )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


@cache
def _trusting() -> ssl.SSLContext:
    """Trusts certifi's authorities, or those that SSL_CERT_FILE or SSL_CERT_DIR name, as the openai package does."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file, capath=folder)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
