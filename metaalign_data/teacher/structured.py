"""Whether an answer can be used: whole, not refused, and the JSON that was asked for."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from pydantic import BaseModel, ValidationError

from metaalign_data.chat import ChatRequest, Completion, Message
from metaalign_data.errors import TeacherError
from metaalign_data.prompting import Library
from metaalign_data.teacher.base import Teacher
from metaalign_data.teacher.meter import Meter
from metaalign_data.teacher.trail import trail

SHOWN_CHARS = 200
SHOWN_ERRORS = 3
MAX_CANDIDATES = 50
UNUSABLE = ("refused", "length", "empty", "malformed")
"""Why an answer that came, and is paid for, can be of no use."""

_FENCE = re.compile(r"```[\w-]*\s*\n(.*?)```", re.DOTALL)
_DECODER = json.JSONDecoder(strict=False)  # models write raw line breaks into strings


class Structured:
    """The outermost layer: gives only answers that a stage can use, and asks again for JSON that does not parse.

    A question is asked `json_attempts` times in all; each time anew with the bad answer and what is wrong with it
    (prompts/repair_json.md). All those answers are in the ledger, so a replay fails or succeeds in the same way.
    `models` are the names of those who may answer; `meter` counts how many answers were the JSON that was asked for.
    """

    def __init__(
        self,
        inner: Teacher,
        library: Library,
        json_attempts: int,
        models: frozenset[str] = frozenset(),
        meter: Meter | None = None,
    ) -> None:
        self.inner, self.library, self.json_attempts, self.models = inner, library, json_attempts, models
        self.meter = meter or Meter()

    async def complete(self, request: ChatRequest) -> Completion:
        """Raises TeacherError "refused", "length", "empty" or "malformed", and what `inner` raises."""
        with trail() as answers:
            try:
                return await self._usable(request)
            except TeacherError as e:
                for answer in answers if e.reason in UNUSABLE else ():
                    answer.unusable = e.reason
                raise

    async def _usable(self, request: ChatRequest) -> Completion:
        asked = request
        for attempt in range(1, self.json_attempts + 1):
            completion = usable(await self.inner.complete(asked), request)
            if request.output is None:
                return completion
            try:
                text = read_json(completion.text, request.output)
                self.meter.parsed += 1
                return completion if text == completion.text else completion.model_copy(update={"text": text})
            except ValueError as e:
                error = str(e)
                self.meter.malformed += 1
            if attempt < self.json_attempts:
                asked = self._repair(asked, completion.text, error)
        snippet = completion.text[:SHOWN_CHARS]
        raise TeacherError("malformed", f"asked {attempt} times: {error}; the last answer began {snippet!r}")

    def _repair(self, asked: ChatRequest, bad: str, error: str) -> ChatRequest:
        again = self.library.prompt("repair_json").messages(error=error)
        messages = (*asked.messages, Message(role="assistant", content=bad), *again)
        return asked.model_copy(update={"messages": messages})


def usable(completion: Completion, request: ChatRequest) -> Completion:
    """The completion itself, if it is a whole answer. Raises TeacherError "refused", "length" or "empty"."""
    if completion.finish_reason == "refused":
        raise TeacherError("refused", f"the model declined: {completion.text[:SHOWN_CHARS]!r}")
    if completion.finish_reason == "length":
        raise TeacherError("length", f"the answer was cut off at max_tokens ({request.max_tokens})")
    if not completion.text.strip():
        raise TeacherError("empty", "the answer has no text")
    return completion


def read_json(text: str, output: type[BaseModel]) -> str:
    """The first JSON object in `text` that is a valid `output`, as JSON and nothing else; most answers are just that.

    Looks past reasoning in <think> tags, then at the whole text, into code fences, and into prose. Raises ValueError
    with a short account of what is wrong.
    """
    with suppress(ValidationError):
        output.model_validate_json(text)
        return text
    wrong = ""
    for value in _objects(text.rpartition("</think>")[2]):
        found = json.dumps(value, ensure_ascii=False)
        try:
            output.model_validate_json(found)
        except ValidationError as e:
            wrong = wrong or brief(e)
        else:
            return found
    raise ValueError(wrong or _syntax_error(text))


def _syntax_error(text: str) -> str:
    try:
        json.loads(text)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as e:
        return f"there is no complete JSON object in it ({e})"
    return "it is JSON, but no object"


def _objects(text: str) -> Iterator[dict[str, object]]:
    """JSON objects in the text: outermost ones, in order, those in code fences first."""
    tried = 0
    for part in (*_FENCE.findall(text), text):
        start = part.find("{")
        while start >= 0 and tried < MAX_CANDIDATES:
            tried += 1
            try:
                value, end = _DECODER.raw_decode(part, start)
            except (ValueError, RecursionError):
                end = start + 1
            else:
                yield value
            start = part.find("{", end)


def brief(error: ValidationError) -> str:
    """What is wrong with an answer, in a line, for whoever wrote it."""
    problems = error.errors(include_url=False, include_context=False)
    shown = [
        f"{'.'.join(map(str, p['loc'])) or 'the object'}: {p['msg']}"[:SHOWN_CHARS] for p in problems[:SHOWN_ERRORS]
    ]
    more = len(problems) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
