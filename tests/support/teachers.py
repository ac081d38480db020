"""Teachers for tests: the real `openai` provider in front of a mock server, and one that does as it is told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai  # noqa: F401  its first import takes longer than the deadlines of some tests

from metaalign_data.chat import ChatRequest, Completion, Message, Usage
from metaalign_data.teacher.openai import OpenAITeacher
from mock_openai import MockOpenAI

KEY = "sk-test-0123456789abcdef"


def ask(content: str = "hello", **fields: Any) -> ChatRequest:
    """A request with one user message."""
    return ChatRequest(messages=(Message(role="user", content=content),), **fields)


def answer(text: str = "hi", prompt_tokens: int = 1, completion_tokens: int = 1, **fields: Any) -> Completion:
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
    return Completion(text=text, model="m", usage=usage, **fields)


def openai_teacher(server: MockOpenAI, **config: Any) -> OpenAITeacher:
    """Asks `server`; the key is in TEST_KEY."""
    options = {"model": "mock-model", "base_url": server.base_url, "api_key_env": "TEST_KEY"} | config
    return OpenAITeacher(OpenAITeacher.Config(**options))


@asynccontextmanager
async def asking(server: MockOpenAI, **config: Any) -> AsyncIterator[OpenAITeacher]:
    """`openai_teacher`, closed at the end."""
    teacher = openai_teacher(server, **config)
    try:
        yield teacher
    finally:
        await teacher.aclose()


class Telling:
    """Answers by calling a function, or from a list whose errors it raises; keeps the requests."""

    def __init__(self, *replies: Completion | Exception, by: Callable[[ChatRequest], Completion] | None = None) -> None:
        self.replies, self.by = list(replies), by
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> Completion:
        self.requests.append(request)
        if self.by is not None:
            return self.by(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply
