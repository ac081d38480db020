"""Questions to the simulated teacher, rendered from the real prompts."""

import asyncio
import json
from functools import cache
from itertools import permutations
from typing import Any

from metaalign_data.chat import ChatRequest, Completion, Message
from metaalign_data.prompting import Library
from metaalign_data.teacher.simulated import Faults, SimulatedTeacher

QUERIES = (
    "How can I sleep better at night?",
    "Rewrite the given text and correct grammar errors.",
    "What is a good budget for a family of four?",
    "Provide an ESRB rating for the following game.",
    "Why is the sky blue?",
    "fluffy gizmo",
)


@cache
def library() -> Library:
    return Library()


def teacher(seed: int = 0, **faults: float) -> SimulatedTeacher:
    return SimulatedTeacher(SimulatedTeacher.Config(seed=seed, faults=Faults(**faults)))


def complete(request: ChatRequest, by: SimulatedTeacher) -> Completion:
    return asyncio.run(by.complete(request))


def ask(prompt: str, *, by: SimulatedTeacher | None = None, sample: int = 0, **inputs: str) -> str:
    """The answer to one of prompts/*.md."""
    return complete(library().prompt(prompt).render(**inputs).again(sample), by or teacher()).text


def ask_json(prompt: str, *, by: SimulatedTeacher | None = None, sample: int = 0, **inputs: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(ask(prompt, by=by, sample=sample, **inputs))
    return answer


def chat(system_info: str, user_info: str, query: str, by: SimulatedTeacher | None = None) -> str:
    """The answer of a plain chat under a meta-prompt, as evaluation asks for it."""
    system = library().meta_prompt(system_info, user_info)
    messages = ([Message(role="system", content=system)] if system else []) + [Message(role="user", content=query)]
    return complete(ChatRequest(messages=tuple(messages)), by or teacher()).text


def explicit(dimension: str, value: str, speaker: str = "user", style: str = "friendly", sample: int = 0) -> str:
    """A stated preference for a value of the default taxonomy."""
    answer = ask_json(
        "write_explicit_preference",
        sample=sample,
        speaker=speaker,
        dimension=dimension,
        value=value,
        meaning=meaning(dimension, value),
        style=style,
    )
    return str(answer["text"])


def implicit(dimension: str, value: str, contrast: str, style: str = "friendly", sample: int = 0) -> str:
    """A background that implies a value of the default taxonomy."""
    answer = ask_json(
        "write_implicit_preference",
        sample=sample,
        dimension=dimension,
        value=value,
        meaning=meaning(dimension, value),
        contrast=meaning(dimension, contrast),
        style=style,
    )
    return str(answer["text"])


def respond(query: str, target: str, by: SimulatedTeacher | None = None, sample: int = 0) -> str:
    """A response that is told what to do."""
    infos = {"system_info": "You are an AI assistant.", "user_info": ""}
    return ask("generate_response", by=by, sample=sample, query=query, target=target, **infos)


def judged(system_info: str, user_info: str, query: str, a: str, b: str, **options: Any) -> dict[str, Any]:
    infos = {"system_info": system_info, "user_info": user_info}
    return ask_json("judge_pairwise", query=query, response_a=a, response_b=b, **infos, **options)


def cells() -> list[tuple[str, str]]:
    """Dimension and value of each cell of the default taxonomy."""
    return [(d.name, v.name) for d in library().taxonomy("default").dimensions for v in d.values]


def contrasts() -> list[tuple[str, str, str]]:
    """Dimension, value, and each other value of the dimension."""
    return [
        (d.name, one.name, other.name)
        for d in library().taxonomy("default").dimensions
        for one, other in permutations(d.values, 2)
    ]


@cache
def meaning(dimension: str, value: str) -> str:
    (found,) = (
        v.meaning
        for d in library().taxonomy("default").dimensions
        for v in d.values
        if (d.name, v.name) == (dimension, value)
    )
    return found
