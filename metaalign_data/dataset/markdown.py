"""Pieces of Markdown that hold text of somebody else, which never becomes markup."""

import re
from collections.abc import Iterable, Sequence

_FENCE = re.compile(r"`{3,}")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The cells are Markdown: `inline` what is not ours."""
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def inline(text: str) -> str:
    """Text within a line, with no meaning as Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))


def fenced(text: str, language: str = "text") -> str:
    """A code block that the text cannot end."""
    fence = "`" * (1 + max((len(run) for run in _FENCE.findall(text)), default=2))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
