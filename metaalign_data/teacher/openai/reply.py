"""What a server answered, as far as it can be trusted: read leniently, believed strictly."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metaalign_data.chat import ChatRequest, Completion, FinishReason, Usage
from metaalign_data.errors import TeacherError

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


class _Usage(_Lenient):
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)


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
        counted = self.usage or _Usage()
        asked_chars = sum(len(message.content) for message in request.messages)
        usage = Usage(
            prompt_tokens=_known(counted.prompt_tokens, asked_chars),
            completion_tokens=_known(counted.completion_tokens, len(text)),
        )
        return Completion(text=text, model=model, usage=usage, finish_reason=self.finish_reason)


def _known(tokens: int | None, chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN) if tokens is None else tokens


def read_reply(body: bytes) -> Reply:
    """The body of a 200. Raises TeacherError "server_error"."""
    try:
        data = json.loads(body.decode("utf-8", "replace"))
        return Reply.model_validate(_without_half_characters(data))
    except (ValueError, RecursionError) as e:
        why = e.errors()[0]["msg"].lower() if isinstance(e, ValidationError) else "it is no JSON"
        start = body[:100].decode("utf-8", "replace")
        raise TeacherError("server_error", f"the server's answer is no chat completion ({why}): {start!r}") from None


def _without_half_characters(node: Any) -> Any:
    r"""JSON may hold half of a surrogate pair ("\ud83d"), for a token that was cut; no file can hold it."""
    match node:
        case str():
            return node.encode("utf-8", "replace").decode()
        case list():
            return [_without_half_characters(each) for each in node]
        case dict():
            return {key: _without_half_characters(each) for key, each in node.items()}
        case _:
            return node
