"""Can the judge tell chosen from rejected without the meta-prompt? Of a flip it must not."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from metaalign_data.answers import ForcedChoice
from metaalign_data.errors import BudgetReached, MetaalignError, TeacherError
from metaalign_data.prompting import Library
from metaalign_data.records import digest
from metaalign_data.report.shares import Check, Share, counted
from metaalign_data.teacher.base import Teacher

PROMPT = "judge_without_context"
COMPARED = ("query", "chosen_text", "rejected_text")
MEANING = "share of the judge's guesses that are right when it sees no meta-prompt; both orders"


class Shown(NamedTuple):
    """What the judge sees. The two orders of a comparison are two of these."""

    query: str
    response_a: str
    response_b: str

    @property
    def swapped(self) -> "Shown":
        return Shown(self.query, self.response_b, self.response_a)


@dataclass(frozen=True)
class Guesses:
    """`chosen` is the text that was guessed, by what was shown; `missing` says how often there was none, and why."""

    chosen: Mapping[Shown, str]
    missing: Mapping[str, int]

    @property
    def first_share(self) -> float | None:
        """Share of the guesses that name what was shown first, 0 to 1."""
        named = [text == shown.response_a for shown, text in self.chosen.items()]
        return sum(named) / len(named) if named else None


def sampled(pairs: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Rows of at most `limit` comparisons: half of them whole flips, half rows outside flips, where there are enough.

    A flip is one comparison for the judge. The same rows give the same sample, whatever their order.
    """
    unit = pairs.select(pl.when("in_flip").then("flip_id").otherwise("id")).to_series()
    ranked = pairs.with_columns(rank=pl.Series([digest(name) for name in unit], dtype=pl.String))
    flips, others = (ranked.filter(pl.col("in_flip") == is_flip) for is_flip in (True, False))
    n_flips, n_others = flips["rank"].n_unique(), others["rank"].n_unique()
    of_flips = min(n_flips, max(limit // 2, limit - n_others))
    return pl.concat(_lowest(*part) for part in ((flips, of_flips), (others, min(n_others, limit - of_flips))))


def _lowest(rows: pl.DataFrame, units: int) -> pl.DataFrame:
    taken = rows["rank"].unique().sort().head(units)
    return rows.filter(pl.col("rank").is_in(taken.implode())).sort("rank", "id")


async def ask(rows: pl.DataFrame, judge: Teacher, library: Library) -> Guesses:
    """Have the judge guess each comparison of the rows in both orders, each of them once.

    What ends without an answer is counted by its reason.
    """
    prompt = library.prompt(PROMPT)
    straight = [Shown(*row) for row in rows.select(COMPARED).iter_rows()]
    asked = list(dict.fromkeys(one for shown in straight for one in sorted((shown, shown.swapped))))
    answers = await asyncio.gather(
        *(judge.complete(prompt.render(**shown._asdict())) for shown in asked), return_exceptions=True
    )
    chosen: dict[Shown, str] = {}
    missing: Counter[str] = Counter()
    for shown, answer in zip(asked, answers, strict=True):
        if isinstance(answer, MetaalignError):
            missing[_reason(answer)] += 1
        elif isinstance(answer, BaseException):
            raise answer
        else:
            winner = ForcedChoice.model_validate_json(answer.text).winner
            chosen[shown] = shown.response_a if winner == "a" else shown.response_b
    return Guesses(chosen, missing)


def checks(rows: pl.DataFrame, guesses: Guesses) -> list[Check]:
    """How often the guesses are right, of flips and of rows outside flips, where there are any."""
    bars = {"flips": (0.45, 0.55, True), "rows outside flips": (0.0, 0.60, False)}
    found = []
    for scope, (at_least, at_most, is_flip) in bars.items():
        if share := right(rows.filter(pl.col("in_flip") == is_flip), guesses):
            found.append(Check("guessed without the meta-prompt", scope, share, at_least, at_most, MEANING))
    return found


def right(rows: pl.DataFrame, guesses: Guesses) -> Share | None:
    """Share of right guesses, each row in both orders; None where there is no guess.

    The interval takes the two orders of a row for one case: they are seldom independent.
    """
    hits: list[bool] = []
    for row in rows.select(COMPARED).iter_rows():
        shown = Shown(*row)
        hits += [guesses.chosen[one] == shown.response_a for one in (shown, shown.swapped) if one in guesses.chosen]
    cases = (len(hits) + 1) // 2
    return counted(cases * sum(hits) / len(hits), cases) if hits else None


def _reason(error: MetaalignError) -> str:
    if isinstance(error, TeacherError):
        return error.reason
    return "the budget is reached" if isinstance(error, BudgetReached) else str(error)
