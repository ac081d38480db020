"""What prompting and teachers share: messages, requests, completions, token counts."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

FROZEN = ConfigDict(frozen=True, extra="forbid")

FinishReason = Literal["stop", "length", "refused"]


class Message(BaseModel):
    model_config = FROZEN
    role: Literal["system", "user", "assistant"]
    content: str


class Usage(BaseModel):
    """Tokens of one request, as the server counted them (estimated where it does not say)."""

    model_config = FROZEN
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    """Of the prompt tokens, those that the server had in its cache and charges less for."""


class ChatRequest(BaseModel):
    """One question to a teacher. Two equal requests are one answer: `sample` tells repeats apart.

    `output` is the pydantic model that the answer must parse as, None for free text.
    `prompt` says which prompt file wrote it ("judge_pairwise@1f0c2a7be9d4"); provenance only.
    """

    model_config = FROZEN
    messages: tuple[Message, ...] = Field(min_length=1)
    temperature: float = Field(default=1.0, ge=0.0, le=2.0)
    max_tokens: int = Field(default=1024, gt=0)
    sample: int = Field(default=0, ge=0)
    output: type[BaseModel] | None = Field(default=None, exclude=True)
    prompt: str = ""

    @cached_property
    def shaping(self) -> str:
        """All in it that shapes the answer, as JSON; beside `output`."""
        return self.model_dump_json(include={"messages", "temperature", "max_tokens", "sample"})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy that says anew what shapes its answer: pydantic would take over what is cached here."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("shaping", None)
        return copy

    def expecting(self, output: type[BaseModel]) -> Self:
        """The same request, answered as JSON that parses as `output`."""
        return self.model_copy(update={"output": output})

    def again(self, sample: int) -> Self:
        """The same question once more: an independent answer, the `sample`-th (from 0)."""
        return self if sample == self.sample else self.model_copy(update={"sample": sample})

    def json_schema(self) -> dict[str, Any] | None:
        """JSON Schema of the answer, or None for free text."""
        return None if self.output is None else self.output.model_json_schema()


class Completion(BaseModel):
    """One answer. Where the request expects JSON, `text` is that JSON and nothing else."""

    model_config = FROZEN
    text: str
    model: str
    usage: Usage
    finish_reason: FinishReason = "stop"
    attempts: int = Field(default=1, ge=1)
    """How many tries it took, of which the last gave this answer."""
