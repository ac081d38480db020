"""How one server wants to be asked: the parameters of a request, and what is learnt from its refusals."""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel

from metaalign_data.chat import ChatRequest
from metaalign_data.prompting import Library
from metaalign_data.teacher.schema import strict_schema, with_json_instructions

StructuredOutput = Literal["json_schema", "json_object", "text"]
WAYS: tuple[StructuredOutput, ...] = get_args(StructuredOutput)

_NAME = re.compile(r"[^\w-]")
_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|structured output|guided|grammar", re.IGNORECASE)
_ABOUT_TEMPERATURE = re.compile(r"temperature.{0,80}(not support|unsupported|only the default)", re.IGNORECASE)


class Dialect:
    """Starts from what OpenAI documents, and gives up one thing at a time as the server refuses it."""

    def __init__(self, model: str, top_p: float | None, extra_body: Mapping[str, Any], library: Library) -> None:
        self.model, self.top_p, self.extra_body, self.library = model, top_p, dict(extra_body), library
        self.structured_output: StructuredOutput = "json_schema"
        self.limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
        self.sends_temperature = True

    def basics(self, max_tokens: int, temperature: float) -> dict[str, Any]:
        """The parameters of any request, but for the messages."""
        found: dict[str, Any] = {"model": self.model, self.limit_key: max_tokens}
        if self.sends_temperature:
            found["temperature"] = temperature
        if self.top_p is not None:
            found["top_p"] = self.top_p
        return found | self.extra_body

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """The parameters of `request`, with JSON asked for in the best way that the server honours."""
        found = self.basics(request.max_tokens, request.temperature)
        messages = request.messages
        if request.output is not None:
            if self.structured_output != "json_schema":
                messages = with_json_instructions(request, self.library)
            found |= asking_for(request.output, self.structured_output)
        found["messages"] = [{"role": m.role, "content": m.content} for m in messages]
        return found

    def learn(self, refusal: str, sent: Mapping[str, Any]) -> str:
        """Give up what `refusal` complains about in the parameters that were sent, unless another request did already.

        A sentence that says so: asking again makes sense. "" where the refusal is about something else.
        """
        if "max_tokens" in sent and "max_completion_tokens" in refusal:
            self.limit_key = "max_completion_tokens"
            return f"{self.model}: the server wants max_completion_tokens instead of max_tokens"
        if "temperature" in sent and _ABOUT_TEMPERATURE.search(refusal):
            self.sends_temperature = False
            return f"{self.model}: the server refuses temperature; its own default is used"
        if "response_format" in sent and _ABOUT_FORMAT.search(refusal):
            given_up = WAYS.index(sent["response_format"]["type"])
            self.structured_output = WAYS[max(given_up + 1, WAYS.index(self.structured_output))]
            return f"{self.model}: the server refuses {WAYS[given_up]}; JSON is asked for in another way"
        return ""

    @property
    def learnt(self) -> dict[str, object]:
        """What refusals have taught, for `take` to ask in that way from the first request on."""
        found: dict[str, object] = {} if self.sends_temperature else {"temperature": False}
        return found if self.limit_key == "max_tokens" else found | {"limit_key": self.limit_key}

    def take(self, facts: Mapping[str, object]) -> set[str]:
        """Go by what a probe found. Sentences on what the server does not honour."""
        if facts.get("limit_key") == "max_completion_tokens":
            self.limit_key = "max_completion_tokens"
        self.sends_temperature = self.sends_temperature and facts.get("temperature") is not False
        lost = [option for option in ("n", "seed", "logprobs", "temperature") if facts.get(option) is False]
        for i, way in enumerate(WAYS):
            if way == facts.get("structured_output"):
                self.structured_output = way
                lost = [*WAYS[:i], *lost]
        return {f"{self.model}: the server does not honour {option}" for option in lost}


def asking_for(output: type[BaseModel], way: StructuredOutput) -> dict[str, Any]:
    """The parameters that ask for JSON of this model in this way."""
    match way:
        case "json_schema":
            name = _NAME.sub("_", output.__name__)[:64]
            schema = {"name": name, "strict": True, "schema": strict_schema(output)}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "text":
            return {}
