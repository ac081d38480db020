"""Why a request failed, from an HTTP status and a body in any of the shapes that servers have for it."""

import json
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from metaalign_data.errors import TeacherError, TeacherReason, TeacherUnusable

MESSAGE_CHARS = 300
REDACTED = "[redacted]"
SECRET_CHARS = 12
"""A shorter key is no secret but a word such as EMPTY, for servers that want any: answers may well hold it."""

_FILTERED = re.compile(r"content[_ ](filter|policy|management)|moderation|flagged", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient[_ ](quota|balance|credit)|exceeded your current quota|billing", re.IGNORECASE)
_SECRET = re.compile(
    r"\b(?:sk|pk|rk|hf|gsk|xai|key)[-_][\w*.-]{4,}"  # prefixes of well-known providers
    r"|(?<=bearer )\S+"
    r"|\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{32,}",  # any other long token
    re.IGNORECASE,
)
_INVISIBLE = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_UNUSABLE = {
    401: "the server refuses the key",
    402: "the server wants to be paid",
    403: "the key is not allowed to do this",
}
_OVERLOADED = (503, 529)


def failure(status: int, body: bytes, headers: Mapping[str, str], key: str) -> TeacherError:
    """The error for an HTTP status of 400 and more. `key` is the secret that must not show up in its message."""
    message = error_message(body, key)
    said = f"HTTP {status}: {message}"
    if _FILTERED.search(message) and status in (400, 403, 422):
        return TeacherError("refused", said)
    if status in _UNUSABLE:
        return TeacherUnusable(f"{_UNUSABLE[status]}: {said}")
    if status == 404:
        return TeacherUnusable(f"there is no such model or address: {said}")
    if status == 429 and _QUOTA.search(message):
        return TeacherUnusable(f"the quota is used up: {said}")
    overloaded = status in _OVERLOADED
    return TeacherError(_reason(status), said, retry_after_s=retry_after_s(headers), overloaded=overloaded)


def _reason(status: int) -> TeacherReason:
    if status == 429:
        return "rate_limited"
    if status == 408:
        return "timeout"
    return "server_error" if status >= 500 or status in (409, 425) else "bad_request"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: retry-after-ms, or Retry-After as seconds or as a date. None where neither can be read."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def error_message(body: bytes, key: str) -> str:
    """One short line on what went wrong, without secrets."""
    text = body[:20_000].decode("utf-8", "replace")
    try:
        found = _words(json.loads(text))
    except (ValueError, RecursionError):
        found = _INVISIBLE.sub(" ", text) if "<" in text else text
    line = redact(" ".join(found.split()), key)
    return line[:MESSAGE_CHARS] or "no message"


def _words(node: Any) -> str:
    """The words in {"error": {"message", "code"}}, {"error": words}, {"detail": words}, {"detail": [{"loc", "msg"}]}
    or {"message": words}; the code is added where it says more than the message.
    """
    match node:
        case str():
            return node
        case {"msg": str(message), **rest}:
            place = rest.get("loc")
            return f"{'.'.join(map(str, place))}: {message}" if isinstance(place, list) else message
        case list():
            return "; ".join(_words(each) for each in node[:3])
        case {"message": str(message), **rest}:
            code = rest.get("code")
            return f"{message} ({code})" if isinstance(code, str) and code not in message else message
        case {"error": inner} | {"detail": inner} | {"message": inner} | {"errors": inner}:
            return _words(inner)
        case _:
            return json.dumps(node)


def without_key(text: str, key: str) -> str:
    """An answer without `key`, which some servers echo."""
    return text.replace(key, REDACTED) if len(key) >= SECRET_CHARS else text


def redact(text: str, key: str) -> str:
    """`text` without `key` and without anything that looks like one."""
    return _SECRET.sub(REDACTED, text.replace(key, REDACTED) if key else text)
