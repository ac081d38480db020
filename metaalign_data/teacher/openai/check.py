"""Whether a server, a key and a model are there, without cost and without the client library (slow to import)."""

import ipaddress
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from metaalign_data.errors import did_you_mean
from metaalign_data.teacher.base import Unreachable

TIMEOUT_S = 5.0
LISTED = 8


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to wherever it points."""

    def redirect_request(self, *_: Any) -> None:
        return None


def is_loopback(url: str) -> bool:
    """Whether the server is on this machine, where no proxy stands between."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_server(base_url: str, key: str, key_env: str, model: str) -> Sequence[str]:
    """Reasons why `model` cannot be asked at `base_url`; empty where it can be, or nothing tells."""
    proxies = [urllib.request.ProxyHandler({})] if is_loopback(base_url) else []
    opener = urllib.request.build_opener(_NoRedirect, *proxies)
    request = urllib.request.Request(f"{base_url}/models")  # noqa: S310  the scheme was checked with the recipe
    if key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            listed = _model_names(response.read())
    except urllib.error.HTTPError as e:
        e.close()
        if e.code not in (401, 403):
            return []
        what = f"refuses the key in {key_env}" if key else f"wants a key, and {key_env} is not set"
        return [f"{base_url} {what} (HTTP {e.code})"]
    except (OSError, HTTPException) as e:
        cause = getattr(e, "reason", None) or e
        return [Unreachable(f"{base_url} does not answer ({cause}); is the server running, and base_url right?")]
    if not listed or _is_listed(model, listed):
        return []
    near = did_you_mean(model, listed) if len(listed) <= LISTED else did_you_mean(model, listed).partition("; valid")[0]
    return [f"{base_url} has no model '{model}'{near}"]


def _model_names(body: bytes) -> list[str]:
    """Names in a list of models; none where it is no such list."""
    try:
        data = json.loads(body)["data"]
        return [str(each["id"]) for each in data]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _is_listed(model: str, listed: Sequence[str]) -> bool:
    """A tag may be left out ("llama3" for "llama3:latest"); a path is loaded on demand and never listed."""
    return model.startswith(("/", ".")) or any(name == model or name.startswith(f"{model}:") for name in listed)
