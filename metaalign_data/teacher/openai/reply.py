"""What a server answered, as far as it can be trusted: read leniently, believed strictly."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metaalign_data.chat import ChatRequest, Completion, FinishReason, Usage
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.openai.failures import redact, without_key

CHARS_PER_TOKEN = 4
"""Of English prose; for servers that count no tokens."""


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Message(_Lenient):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Lenient):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None


class _PromptDetails(_Lenient):
    cached_tokens: int | None = Field(default=None, ge=0)


class _Usage(_Lenient):
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    total_tokens: int | None = Field(default=None, ge=0)
    prompt_tokens_details: _PromptDetails | None = None

    def usage(self, asked_chars: int, answered_chars: int) -> Usage:
        """As counted, and estimated from the characters where it is not.

        What the total holds beyond prompt and completion is reasoning that is charged as output: some servers leave
        it out of the completion.
        """
        prompt = _known(self.prompt_tokens, asked_chars)
        completion = _known(self.completion_tokens, answered_chars)
        if self.prompt_tokens is not None and self.total_tokens is not None:
            completion = max(completion, self.total_tokens - prompt)
        details = self.prompt_tokens_details
        cached = min(prompt, details.cached_tokens or 0) if details else 0
        return Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)


class Reply(_Lenient):
    """The body of a chat completion. The name that it gives the model is left out: often a path on the server."""

    choices: tuple[_Choice, ...] = Field(min_length=1)
    usage: _Usage | None = None

    @property
    def text(self) -> str:
        return self.choices[0].message.content or ""

    @property
    def finish_reason(self) -> FinishReason:
        choice = self.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            return "refused"
        return "length" if choice.finish_reason == "length" else "stop"

    def completion(self, request: ChatRequest, model: str) -> Completion:
        """The first choice as an answer of `model` to `request`; the text of a refusal is what it says."""
        text = self.text or self.choices[0].message.refusal or ""
        usage = self.counted([message.content for message in request.messages])
        return Completion(text=text, model=model, usage=usage, finish_reason=self.finish_reason)

    def counted(self, asked: Sequence[str]) -> Usage:
        """What the answer to these messages took."""
        said = [choice.message.content or choice.message.refusal or "" for choice in self.choices]
        return (self.usage or _Usage()).usage(sum(map(len, asked)), sum(map(len, said)))


def _known(tokens: int | None, chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN) if tokens is None else tokens


def read_reply(body: bytes, key: str = "") -> Reply:
    """The body of a 200, without the secret `key`: some servers echo it.

    Raises TeacherError "server_error", which says what the server charged for it all the same, where it does.
    """
    text = body.decode("utf-8", "replace")
    data: Any = None
    try:
        data = _clean(json.loads(text), key)
        return Reply.model_validate(data)
    except (ValueError, RecursionError) as e:
        why = e.errors()[0]["msg"].lower() if isinstance(e, ValidationError) else "it is no JSON"
        start = redact(text, key)[:100]
        said = f"the server's answer is no chat completion ({why}): {start!r}"
        raise TeacherError("server_error", said, charged=_charged(data)) from None


def _charged(data: Any) -> Usage | None:
    """What a body says that it took, although it holds no answer; None where it does not say."""
    try:
        counted = _Usage.model_validate(data["usage"])
    except (ValidationError, TypeError, KeyError):
        return None
    return None if counted.prompt_tokens is None else counted.usage(0, 0)


def _clean(node: Any, key: str) -> Any:
    r"""Without `key`, and without half surrogate pairs ("\ud83d", a token that was cut), which no file can hold."""
    match node:
        case str():
            return without_key(node.encode("utf-8", "replace").decode(), key)
        case list():
            return [_clean(each, key) for each in node]
        case dict():
            return {name: _clean(each, key) for name, each in node.items()}
        case _:
            return node
