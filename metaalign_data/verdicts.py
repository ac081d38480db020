"""What a recipe's judges say of pairs of answers that no stage has made, such as those of a model in training."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from metaalign_data.answers import Winner
from metaalign_data.chat import Message
from metaalign_data.engine.context import StageContext
from metaalign_data.engine.preflight import model_problems
from metaalign_data.engine.session import open_session
from metaalign_data.engine.stopping import stop_on_signals
from metaalign_data.engine.wiring import library_of
from metaalign_data.errors import TeacherError, TeacherUnusable, UserError
from metaalign_data.recipe import Recipe
from metaalign_data.records import Preference, Query, Response, ResponseSet, Scenario, Side
from metaalign_data.stage import Reject
from metaalign_data.stages.asking import all_ended
from metaalign_data.stages.judge import Judge
from metaalign_data.stages.matchups import Matchup

T = TypeVar("T")

STAGE = "verdicts"
_AS_THEY_STAND = Matchup(side=0, a=0, b=1)
_NOBODY_SAYS = Preference(text="given", kind="explicit", form="statement", dimension="given", value="given")
"""The meta-prompt of a row is given; which preference made it does not matter to a judge."""


@dataclass(frozen=True)
class Contest:
    """Answers `a` and `b` to the last turn of a conversation under its meta-prompt."""

    system_info: str
    user_info: str
    history: tuple[Message, ...]
    query: str
    a: str
    b: str

    @classmethod
    def of_row(cls, row: Mapping[str, Any], a: str, b: str) -> "Contest":
        """Two answers to the prompt of a row of a published dataset."""
        turns = [Message(role=turn["role"], content=turn["content"]) for turn in row["prompt"]]
        system = " ".join(turn.content for turn in turns if turn.role == "system")
        *history, query = [turn for turn in turns if turn.role != "system"]
        told = (row["system_info"], row["user_info"]) if "system_info" in row else (system, "")
        return cls(told[0] or "", told[1] or "", tuple(history), query.content, a, b)


def verdicts(recipe: Recipe, contests: Sequence[Contest], ledger: Path) -> list[Winner | None]:
    """ "a", "b" or "tie" for each contest, compared as the recipe's `judge` stage would; None where no verdict came.

    Answers go through the ledger and the recipe's budget: the same call again asks only what is missing. Raises
    UserError where the judges are not in order, BudgetReached or TeacherUnusable when it had to end early.
    """
    stages: Sequence[object] = [spec.stage for spec in recipe.stage_specs]
    judge = next((stage for stage in stages if isinstance(stage, Judge)), Judge(Judge.Config()))
    return of_judges(
        recipe, ledger, lambda context: (_verdict(judge, _responses(contest), context) for contest in contests)
    )


def of_judges(recipe: Recipe, ledger: Path, ask: Callable[[StageContext], Iterable[Awaitable[T]]]) -> list[T]:
    """What `ask` gets from the recipe's judges, in its order, within the recipe's budget and kept in `ledger`.

    Raises UserError where the judges are not in order, BudgetReached or TeacherUnusable when it had to end early.
    """
    recipe = recipe.model_copy(update={"teachers": (recipe.judges[0],), "weak_teacher": None})  # only judges are asked
    if problems := model_problems(recipe):
        raise UserError("\n".join(problems))
    return asyncio.run(_asked(recipe, ledger, ask))


async def _asked(recipe: Recipe, ledger: Path, ask: Callable[[StageContext], Iterable[Awaitable[T]]]) -> list[T]:
    library = library_of(recipe)
    async with open_session(recipe, ledger, library) as session:
        context = StageContext(library, session.teacher, session.judges, recipe.seed, STAGE, folder=recipe.folder)
        with stop_on_signals(session.stop, recipe.run.grace_s):
            return await all_ended(ask(context))


async def _verdict(judge: Judge, row: ResponseSet, context: StageContext) -> Winner | None:
    try:
        found = await judge.compare(row, _AS_THEY_STAND, context.rng(row), context)
    except TeacherError as e:
        if isinstance(e, TeacherUnusable):
            raise
        return None
    return None if isinstance(found, Reject) else found.winner


def _responses(contest: Contest) -> ResponseSet:
    side = Side(
        system_info=contest.system_info,
        user_info=contest.user_info,
        history=contest.history,
        preference=_NOBODY_SAYS,
        placement="user_info",
        target="",
        rejected_because="judged_worse",
    )
    return ResponseSet(
        scenario=Scenario(
            subset="helpful",
            query=Query(key=contest.query, text=contest.query, source=STAGE),
            question=contest.query,
            sides=(side,),
        ),
        responses=tuple(
            Response(side=None, source="given", text=text, model="given") for text in (contest.a, contest.b)
        ),
    )
