"""What is left of a server's limits, from the x-ratelimit-* headers of its answers."""

import math
import re
from collections.abc import Mapping
from typing import Literal

from metaalign_data.teacher.pace import Quota

KINDS: tuple[Literal["requests", "tokens"], ...] = ("requests", "tokens")

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def read_quotas(headers: Mapping[str, str]) -> tuple[Quota, ...]:
    """Those of which limit, remaining and reset are all there and make sense."""
    found = []
    for kind in KINDS:
        texts = [headers.get(f"x-ratelimit-{what}-{kind}", "") for what in ("limit", "remaining", "reset")]
        limit, remaining, reset_s = _number(texts[0]), _number(texts[1]), _seconds(texts[2])
        if limit and remaining is not None and reset_s is not None and remaining <= limit:
            found.append(Quota(kind, limit, remaining, reset_s))
    return tuple(found)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds(text: str) -> float | None:
    """ "6m0s", "1.5s", "20ms" or a plain number of seconds."""
    if (plain := _number(text)) is not None:
        return plain
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    try:
        return sum(float(part) * unit_s for part, unit_s in zip(match.groups(), _UNITS_S, strict=True) if part)
    except ValueError:
        return None
