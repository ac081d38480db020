"""Questions to the simulated teacher, rendered from the real prompts."""

import asyncio
import atexit
import json
from collections.abc import Mapping, Sequence
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


@cache
def _runner() -> asyncio.Runner:
    """One event loop for thousands of questions."""
    made = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    atexit.register(made.close)
    return made


def complete(request: ChatRequest, by: SimulatedTeacher) -> Completion:
    return _runner().run(by.complete(request))


def ask(prompt: str, *, by: SimulatedTeacher | None = None, sample: int = 0, **inputs: str) -> str:
    """The answer to one of prompts/*.md."""
    return complete(library().prompt(prompt).render(**inputs).again(sample), by or teacher()).text


def ask_json(prompt: str, *, by: SimulatedTeacher | None = None, sample: int = 0, **inputs: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(ask(prompt, by=by, sample=sample, **inputs))
    return answer


def chat(
    system_info: str, user_info: str, query: str, by: SimulatedTeacher | None = None, earlier: Sequence[str] = ()
) -> str:
    """The answer of a plain chat under a meta-prompt, as evaluation asks for it; `earlier` is what the user said."""
    system = library().meta_prompt(system_info, user_info)
    messages = [Message(role="system", content=system)] if system else []
    for text in earlier:
        messages += [Message(role="user", content=text), Message(role="assistant", content="I see.")]
    messages.append(Message(role="user", content=query))
    return complete(ChatRequest(messages=tuple(messages)), by or teacher()).text


def explicit(dimension: str, value: str, speaker: str = "user", style: str = "friendly", sample: int = 0) -> str:
    """A stated preference for a value of the default taxonomy."""
    return explicit_of([(dimension, value)], speaker, style, sample)


def explicit_of(cells: Sequence[tuple[str, str]], speaker: str = "user", style: str = "", sample: int = 0) -> str:
    """One statement of several wishes."""
    answer = ask_json("write_explicit_preference", sample=sample, speaker=speaker, style=style, **composed(cells))
    return str(answer["text"])


def implicit(dimension: str, value: str, contrast: str, style: str = "friendly", sample: int = 0) -> str:
    """A background that implies a value of the default taxonomy."""
    told = composed([(dimension, value)])
    answer = ask_json("write_background", sample=sample, contrast=meaning(dimension, contrast), style=style, **told)
    return str(answer["text"])


def opinions(query: str, sample: int = 0) -> dict[str, Any]:
    """Two people and the questions on which they differ."""
    return ask_json("write_opinion_questions", sample=sample, query=query, questions="3")


def axis_wish(side: str, sample: int = 0) -> str:
    """A provider's wish on questions of value: "consensus" or "background"."""
    meant = getattr(library().priorities("default").axis, side).meaning
    cell = {"dimension": "values", "value": side, "meaning": meant, "style": ""}
    return str(ask_json("write_explicit_preference", sample=sample, speaker="provider", **cell)["text"])


def risk_wish(value: str, speaker: str = "user", sample: int = 0) -> str:
    """A wish on harmful queries: "safety" or "helpfulness"."""
    meant = getattr(library().priorities("default").safety, value).meaning
    cell = {"dimension": "risk", "value": value, "meaning": meant, "style": ""}
    return str(ask_json("write_explicit_preference", sample=sample, speaker=speaker, **cell)["text"])


def composed(cells: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Several wishes at once, as prompts are given them."""
    return {
        "dimension": " + ".join(dimension for dimension, _ in cells),
        "value": " + ".join(value for _, value in cells),
        "meaning": " ".join(meaning(*cell) for cell in cells),
    }


def history(turns: Sequence[Mapping[str, str]]) -> str:
    """The turns of an answers.Dialogue as prompts show them."""
    return "\n".join(f"User: {turn['user']}\nAssistant: {turn['assistant']}" for turn in turns)


def respond(query: str, target: str, by: SimulatedTeacher | None = None, sample: int = 0) -> str:
    """A response that is told what to do."""
    infos = {"system_info": "You are an AI assistant.", "user_info": "", "history": ""}
    return ask("generate_response", by=by, sample=sample, query=query, target=target, **infos)


def judged(system_info: str, user_info: str, query: str, a: str, b: str, **options: Any) -> dict[str, Any]:
    inputs = {"system_info": system_info, "user_info": user_info, "history": "", "criteria": ""}
    return ask_json("judge_pairwise", query=query, response_a=a, response_b=b, **inputs | options)


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
