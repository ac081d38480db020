"""Errors, all of them.

MetaalignError
├── UserError            the user's own mistake or set-up: one line on stderr, exit code 2, no traceback
│   ├── RecipeError      every mistake of one recipe at once
│   └── MissingExtra     an optional package is absent; names the pip command
├── TeacherError         one request ended without a usable answer: the row fails with `reason`
│   ├── TeacherDown      the endpoint is left alone for a while: another one is asked
│   └── TeacherUnusable  no request to this teacher can succeed (key refused, no such model): the run stops
└── BudgetReached        the next request could pass the budget: the run stops, resumable, exit code 3
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from metaalign_data.chat import Usage

TeacherReason = Literal[
    "rate_limited",  # 429s up to the deadline of the request
    "server_error",  # 5xx, after all attempts
    "timeout",  # no answer within timeout_s, after all attempts
    "connection",  # refused or dropped, after all attempts
    "bad_request",  # the server rejects this very request
    "malformed",  # not the JSON that was asked for, after all re-asks
    "length",  # cut off at max_tokens
    "refused",  # the model or its filter declined
    "empty",  # an answer without text
    "unusable",  # see TeacherUnusable
]


class MetaalignError(Exception):
    """Root of every error that this package raises on purpose."""


class UserError(MetaalignError):
    """A mistake that the user can mend: what is wrong, where, and what to do about it."""

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__((f"{where}: " if where else "") + what + (f"; {fix}" if fix else ""))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a recipe. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int
    path: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}: {self.what}" if self.path else f"{place}: {self.what}"


class RecipeError(UserError):
    """All mistakes found in one recipe, in line order."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda m: (m.file, m.line, m.path)))
        super().__init__("\n".join(map(str, self.mistakes)))


class MissingExtra(UserError):
    """A feature needs a package of an extra that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra", fix=f"pip install 'metaalign-data[{extra}]'")


class TeacherError(MetaalignError):
    """A request that ended without a usable answer.

    `retry_after_s` is what the server asked for (Retry-After), in seconds, or None. `charged` is what it said that the
    attempt took all the same, or None. `overloaded`: it said that it has too much to do, beside 429s.
    """

    def __init__(
        self,
        reason: TeacherReason,
        message: str,
        *,
        retry_after_s: float | None = None,
        charged: "Usage | None" = None,
        overloaded: bool = False,
    ) -> None:
        self.reason: TeacherReason = reason
        self.retry_after_s = retry_after_s
        self.charged = charged
        self.overloaded = overloaded
        super().__init__(message)


class TeacherUnusable(TeacherError):
    """The teacher can answer no request at all: wrong key, no permission, unknown model."""

    def __init__(self, message: str) -> None:
        super().__init__("unusable", message)


class TeacherDown(TeacherError):
    """An endpoint is left alone for a while, since it did not answer: another one may."""

    def __init__(self, message: str) -> None:
        super().__init__("connection", message)


class BudgetReached(MetaalignError):
    """The next request could cost more than what is left of the budget."""


def did_you_mean(name: str, valid: Sequence[str]) -> str:
    """`"; did you mean 'judge'?"` for the nearest valid name, or the list of names when none is near."""
    near = get_close_matches(name, valid, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; valid: {', '.join(sorted(valid))}" if valid else ""
