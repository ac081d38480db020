"""Earlier turns of a chat as text: lines that begin with "User:" or "Assistant:", and what follows them."""

import re
from collections.abc import Iterable, Sequence

from metaalign_data.chat import Message

_SPEAKER = re.compile(r"^(User|Assistant):[ \t]*", re.MULTILINE)
_NAMES = {"user": "User", "assistant": "Assistant"}


def as_text(messages: Iterable[Message]) -> str:
    """The messages of user and assistant, as prompts show a history."""
    return "\n".join(f"{_NAMES[m.role]}: {m.content}" for m in messages if m.role in _NAMES)


def said_by_user(history: str) -> Sequence[str]:
    """What the user says in each turn; a text that names no speaker is the user's own."""
    before, *parts = _SPEAKER.split(history)
    if not parts:
        return [before] if before.strip() else []
    return [text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True) if name == "User"]
