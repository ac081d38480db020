import pytest

from metaalign_data.teacher.openai.quotas import read_quotas
from metaalign_data.teacher.pace import Quota


def headers(kind: str, limit: str, remaining: str, reset: str) -> dict[str, str]:
    texts = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{what}-{kind}": text for what, text in texts.items()}


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("1m", 60), ("2d", 172_800), ("12.5", 12.5)],
)
def test_resets_in_all_their_spellings(reset: str, seconds: float) -> None:
    assert read_quotas(headers("requests", "500", "499", reset)) == (Quota("requests", 500, 499, seconds),)


@pytest.mark.parametrize(
    "found",
    [
        {},
        headers("requests", "", "1", "1s"),
        headers("requests", "0", "0", "1s"),
        headers("tokens", "10", "11", "1s"),
        headers("tokens", "10", "1", "soon"),
        headers("tokens", "nan", "1", "1s"),
        headers("tokens", "10", "-1", "1s"),
        headers("tokens", "10", "1", "1.2.3s"),
    ],
)
def test_what_makes_no_sense_is_no_quota(found: dict[str, str]) -> None:
    assert read_quotas(found) == ()
