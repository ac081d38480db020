"""What a conversation asks for, told from its text alone: the tags that delimit inputs, and the JSON it wants."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metaalign_data.chat import Message
from metaalign_data.teacher.simulated.turns import as_text

TAGS = (
    "system_info",
    "user_info",
    "history",
    "query",
    "target",
    "response",
    "response_a",
    "response_b",
    "speaker",
    "dimension",
    "value",
    "meaning",
    "contrast",
    "style",
    "questions",
    "text",
    "options",
    "heedless",
    "criterion",
)
_WANTS_JSON = re.compile(
    r"\b(?:answer|reply|respond|return|output|only)\b[^.\n]{0,40}?\b(?:with|as|in)\b[^.\n]{0,20}?\bJSON\b",
    re.IGNORECASE,
)
_SYSTEM_INFO, _USER_INFO = "<System Info>", "<User Info>"
_SCHEMA_WORDS = "JSON Schema"


@dataclass(frozen=True, slots=True)
class Asked:
    """`inputs` are the tagged texts by tag, `frame` all text around them.

    Meta-prompt, `history` (turns.py) and `query` are those of the tags or, in a plain chat, of its messages.
    """

    inputs: dict[str, str]
    frame: str
    query: str
    system_info: str = ""
    user_info: str = ""
    history: str = ""

    @property
    def wants_json(self) -> bool:
        return _WANTS_JSON.search(self.frame) is not None

    def names(self, key: str) -> bool:
        """Whether the frame speaks of this key of a JSON object."""
        return f'"{key}"' in self.frame

    def named(self, answer: Any) -> Any:
        """What the frame speaks of: the answer without any other key, inside it too."""
        if isinstance(answer, dict):
            return {key: self.named(value) for key, value in answer.items() if self.names(key)}
        return [self.named(each) for each in answer] if isinstance(answer, list) else answer

    def has(self, *tags: str) -> bool:
        return all(tag in self.inputs for tag in tags)

    def json_schema(self) -> dict[str, Any] | None:
        """The JSON Schema in the frame, if there is one."""
        start = self.frame.find("{", self.frame.find(_SCHEMA_WORDS))
        if _SCHEMA_WORDS not in self.frame or start < 0:
            return None
        try:
            found, _ = json.JSONDecoder().raw_decode(self.frame, start)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def read_conversation(messages: Sequence[Message]) -> Asked:
    """What the messages ask for: what the first tagged user message asks, or, in a plain chat, the last one.

    What follows a tagged message is taken as a repeated request for the same thing (prompts/repair_json.md).
    """
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    users = [m.content for m in messages if m.role == "user"]
    for text in users:
        inputs, around = _tagged(text)
        if inputs:
            told = (inputs.get(tag, "") for tag in ("query", "system_info", "user_info", "history"))
            return Asked(inputs, f"{system}\n{around}", *told)
    return _plain_chat(system, messages)


def _plain_chat(system: str, messages: Sequence[Message]) -> Asked:
    last = max((i for i, message in enumerate(messages) if message.role == "user"), default=0)
    query = messages[last].content if messages[last].role == "user" else ""
    frame, history = f"{system}\n{query}", as_text(messages[:last])
    if _SYSTEM_INFO in system or _USER_INFO in system:
        before, _, user_info = system.partition(_USER_INFO)
        return Asked({}, frame, query, before.partition(_SYSTEM_INFO)[2].strip(), user_info.strip(), history)
    return Asked({}, frame, query, "" if _WANTS_JSON.search(system) else system.strip(), "", history)


def _tagged(text: str) -> tuple[dict[str, str], str]:
    """Texts in tags, each tag's first one, and what is left around them."""
    inputs: dict[str, str] = {}
    for tag in TAGS:
        before, opening, rest = text.partition(f"<{tag}>")
        inside, closing, after = rest.partition(f"</{tag}>")
        if opening and closing:
            inputs[tag] = inside.strip()
            text = before + after
    return inputs, text
