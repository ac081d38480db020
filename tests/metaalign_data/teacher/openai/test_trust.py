"""Which key goes where without a question."""

from pathlib import Path

import pytest

from metaalign_data.errors import TeacherUnusable, UserError
from metaalign_data.teacher.openai import OpenAITeacher
from metaalign_data.teacher.openai.trust import objection, remember, remembered
from teachers import ask


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("METAALIGN_TRUSTED_HOSTS", "CI_KEY@gpu.example.org, OTHER_KEY@b.example.org")
    monkeypatch.setenv("OURS_API_KEY", "x")
    monkeypatch.setenv("OURS_BASE_URL", "https://ours.example.org/v1")


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1"),
        ("TOGETHER_API_KEY", "https://api.together.xyz/v1"),
        ("AWS_SECRET_ACCESS_KEY", "http://localhost:8000/v1"),
        ("ANY", "http://127.0.0.1:1/v1"),
        ("OURS_API_KEY", "https://ours.example.org:8443/v1"),
        ("CI_KEY", "http://gpu.example.org:8000/v1"),
        ("OTHER_KEY", "https://B.example.org/v1"),
    ],
)
def test_a_key_goes_where_it_belongs_or_where_its_owner_said(key: str, url: str) -> None:
    assert objection(key, url) == ""


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("OPENAI_API_KEY", "https://evil.example.org/v1"),
        ("OPENAI_API_KEY", "https://api.openai.com.evil.example.org/v1"),
        ("OPENAI_API_KEY", "https://api.openai.com@evil.example.org/v1"),
        ("AWS_SECRET_ACCESS_KEY", "https://api.openai.com/v1"),
        ("HF_TOKEN", "https://ours.example.org/v1"),
        ("CI_KEY", "http://b.example.org/v1"),
        ("CI_KEY", "http://sub.gpu.example.org/v1"),
    ],
)
def test_a_key_goes_nowhere_else(key: str, url: str) -> None:
    assert f"trust {key}" in objection(key, url)


def test_what_was_trusted_is_remembered_for_that_key_and_host_alone() -> None:
    remember("MY_KEY", "https://My.example.org/v1")
    remember("MY_KEY", "other.example.org")
    remember("MY_KEY", "other.example.org")
    assert remembered() == [("MY_KEY", "my.example.org"), ("MY_KEY", "other.example.org")]
    assert objection("MY_KEY", "http://my.example.org:8000/v1") == ""
    assert objection("YOUR_KEY", "http://my.example.org/v1")
    with pytest.raises(UserError, match="are not a variable and a host"):
        remember("sk-not a variable", "other.example.org")


async def test_a_client_that_nobody_checked_sends_no_key_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-0123456789abcdef")
    client = OpenAITeacher(OpenAITeacher.Config(model="m", base_url="http://evil.invalid/v1", api_key_env="MY_KEY"))
    assert ["would send the key" in reason for reason in client.check()] == [True]
    with pytest.raises(TeacherUnusable, match="would send the key in MY_KEY to evil"):
        await client.complete(ask())
    with pytest.raises(TeacherUnusable, match="would send the key"):
        await client.batches.look("batch_0")
