"""What is found out about a server before anything is asked."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from metaalign_data.teacher.openai import OpenAITeacher
from mock_openai import MockOpenAI, mock_openai
from teachers import openai_teacher


def check(server: MockOpenAI, **config: Any) -> list[str]:
    return list(openai_teacher(server, **config).check())


@contextmanager
def raw_server(payload: bytes) -> Iterator[str]:
    """Sends the same bytes to whoever connects first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(payload)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_check_finds_nothing_wrong_with_a_server_in_order(server: MockOpenAI) -> None:
    assert check(server) == []
    assert server.calls == []


def test_check_names_the_model_that_is_meant(server: MockOpenAI) -> None:
    (reason,) = check(server, model="mock-modle")
    assert reason == f"{server.base_url} has no model 'mock-modle'; did you mean 'mock-model'?"


def test_check_leaves_a_tag_or_a_path_alone() -> None:
    with mock_openai(model="llama3:latest") as server:
        assert check(server, model="llama3") == []
        assert check(server, model="./my-model") == []


def test_check_says_when_nobody_is_there(server: MockOpenAI) -> None:
    (reason,) = check(server, base_url="http://127.0.0.1:9/v1")
    assert "http://127.0.0.1:9/v1 does not answer" in reason
    assert "refused" in reason


def test_check_says_when_the_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_openai(api_key="another") as server:
        (wrong,) = check(server)
        monkeypatch.delenv("TEST_KEY")
        (missing,) = check(server)
    assert wrong == f"{server.base_url} refuses the key in TEST_KEY (HTTP 401)"
    assert missing == f"{server.base_url} wants a key, and TEST_KEY is not set (HTTP 401)"


def test_check_says_when_openai_has_no_key() -> None:
    (reason,) = OpenAITeacher(OpenAITeacher.Config(model="gpt-4o-mini")).check()
    assert reason == "OPENAI_API_KEY is not set; export it, or name another variable with api_key_env"


def test_check_says_nothing_where_the_server_lists_no_models(server: MockOpenAI) -> None:
    with raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as url:
        assert check(server, base_url=url, model="other") == []
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as url:
        assert check(server, base_url=url, model="other") == []
    with raw_server(b"no HTTP at all\r\n\r\n") as url:
        assert len(check(server, base_url=url)) == 1


def test_check_follows_no_redirect_with_the_key(server: MockOpenAI) -> None:
    location = f"Location: {server.base_url}/models".encode()
    with raw_server(b"HTTP/1.1 302 Found\r\n" + location + b"\r\nContent-Length: 0\r\n\r\n") as url:
        assert check(server, base_url=url, model="not on that server") == []


def test_check_does_without_the_client_library() -> None:
    code = (
        "import sys\n"
        "from metaalign_data.teacher.openai import OpenAITeacher\n"
        "OpenAITeacher(OpenAITeacher.Config(model='m', base_url='http://127.0.0.1:9')).check()\n"
        "sys.exit('openai' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
