"""What a server honours, refuses or quietly ignores, found out by asking: a server's word on it cannot be had."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Literal

from pydantic import BaseModel

from metaalign_data.chat import Usage
from metaalign_data.errors import TeacherError
from metaalign_data.teacher.openai.dialect import WAYS, StructuredOutput, asking_for
from metaalign_data.teacher.openai.reply import Reply
from metaalign_data.teacher.retry import persist

Parameters = dict[str, Any]
Send = Callable[[Parameters], Awaitable[Reply]]

MAX_ATTEMPTS = 3
TIMEOUT_S = 60.0
FEW_TOKENS = 16
ENOUGH_TOKENS = 512
"""A model that reasons first spends some before the answer begins."""
MOST_CALLS = 8
MOST = Usage(prompt_tokens=MOST_CALLS * 512, completion_tokens=7 * FEW_TOKENS + 2 * ENOUGH_TOKENS)
"""What all of it takes at most; the answer to n=2 counts twice."""


class Greeting(BaseModel):
    """What nobody would answer to `_HELLO` of their own accord."""

    greeting: str
    mood: Literal["calm", "glad"]


# json_object mode wants the word JSON in the messages.
_HELLO = [{"role": "user", "content": "Say hello to a friend who told you about JSON yesterday."}]
_NUMBER = [{"role": "user", "content": "Name any number between one and a million."}]


async def probe(
    send: Send,
    adapting: Callable[[Callable[[], Parameters]], Awaitable[Reply]],
    basics: Callable[[int, float], Parameters],
) -> dict[str, object]:
    """{"structured_output": json_schema, json_object or text, "n": bool, "seed": bool or None, "logprobs": bool}.

    `adapting` sends one plain request first, so that `basics` gives parameters that the server takes at all; where
    not even that gets an answer, nothing is known and the result is empty. A seed is None where a server always says
    the same. Raises TeacherError where the server is out of reach, limits or refuses everything.
    """

    async def ask(messages: list[dict[str, str]], max_tokens: int = FEW_TOKENS, **option: object) -> Reply | None:
        return await _answer(lambda: send({**basics(max_tokens, 1.0), "messages": messages, **option}))

    if await _answer(lambda: adapting(lambda: {**basics(FEW_TOKENS, 1.0), "messages": _HELLO})) is None:
        return {}

    async def structured() -> StructuredOutput:
        for way in WAYS[:-1]:
            if _honours(way, await ask(_HELLO, ENOUGH_TOKENS, **asking_for(Greeting, way))):
                return way
        return "text"

    structured_output, several, probable, *seeded = await asyncio.gather(
        structured(),
        ask(_HELLO, n=2),
        ask(_HELLO, logprobs=True),
        ask(_NUMBER, seed=1),
        ask(_NUMBER, seed=1),
        ask(_NUMBER, seed=2),
    )
    return {
        "structured_output": structured_output,
        "n": several is not None and len(several.choices) == 2,
        "seed": _honours_seed(*(None if reply is None else reply.text for reply in seeded)),
        "logprobs": probable is not None and bool(probable.choices[0].logprobs),
    }


async def _answer(call: Callable[[], Awaitable[Reply]]) -> Reply | None:
    """The reply, or None where the server refuses the request or always fails at it."""

    async def timely() -> Reply:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await call()
        except TimeoutError:
            raise TeacherError("timeout", f"no answer to a small request within {TIMEOUT_S:g} s") from None

    try:
        reply, _ = await persist(timely, max_attempts=MAX_ATTEMPTS, rng=Random(0))
    except TeacherError as e:
        if e.reason in ("bad_request", "server_error", "refused"):
            return None
        raise
    return reply


def _honours(way: StructuredOutput, reply: Reply | None) -> bool:
    """Whether the reply is JSON of the kind asked for; one that was cut off too early to tell counts as such."""
    if reply is None:
        return False
    text = reply.text.strip()
    if reply.finish_reason == "length" and (not text or text.startswith("{")):
        return True
    try:
        value = json.loads(text)
        if way == "json_schema":
            Greeting.model_validate(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _honours_seed(first: str | None, same: str | None, other: str | None) -> bool | None:
    """False where it is refused or changes nothing for the better, None where all answers are alike."""
    if first is None or same is None or other is None:
        return False
    if first != same:
        return False
    return None if first == other else True
