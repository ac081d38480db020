"""Pieces of Markdown that hold text of somebody else, which never becomes markup."""

import re
from collections.abc import Iterable, Sequence

_FENCE = re.compile(r"`{3,}")
_NUMBER = re.compile(r"[\d,.]+%?")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The cells are Markdown: `inline` or `lines` what is not ours. Columns of numbers are set to the right."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    numeric = [bool(cells) and all(_NUMBER.fullmatch(row[i]) for row in cells) for i in range(len(header))]
    told = [header, ["---:" if right else "---" for right in numeric], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in told)


def _cell(text: str) -> str:
    """A bar would end the cell, unless it is escaped already."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def inline(text: str) -> str:
    """Text within a line, with no meaning as Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~&$])", r"\\\1", " ".join(text.split()))


def lines(text: str) -> str:
    """Text of several lines within a cell of a table, with no meaning as Markdown or HTML."""
    return "<br>".join(inline(line) for line in text.strip().splitlines())


def fenced(text: str, language: str = "text") -> str:
    """A code block that the text cannot end."""
    fence = "`" * (1 + max((len(run) for run in _FENCE.findall(text)), default=2))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def folded(summary: str, body: str) -> str:
    """What is shown on a click. The blank lines are needed: without them the body is no Markdown."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"
