from collections.abc import Iterator

import pytest

from mock_openai import MockOpenAI, mock_openai
from teachers import KEY


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and servers of whoever runs the tests stay out of them."""
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def server() -> Iterator[MockOpenAI]:
    with mock_openai() as server:
        yield server


@pytest.fixture
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metaalign_data.teacher.retry.FIRST_BACKOFF_S", 0.001)
