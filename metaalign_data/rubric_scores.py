"""What a recipe's judges say of single responses, criterion by criterion, where a benchmark brings its own rubrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from metaalign_data.answers import RubricScore
from metaalign_data.engine.context import StageContext
from metaalign_data.errors import TeacherError, TeacherUnusable
from metaalign_data.recipe import Recipe
from metaalign_data.stages.asking import all_ended
from metaalign_data.teacher.base import Teacher
from metaalign_data.verdicts import of_judges


@dataclass(frozen=True)
class Scored:
    """A response to a query under its meta-prompt, and one criterion that it is scored on."""

    system_info: str
    user_info: str
    query: str
    reference: str
    response: str
    criterion: str


def rubric_scores(recipe: Recipe, asked: Sequence[Scored], ledger: Path) -> list[float | None]:
    """The mean over the recipe's judges of their scores, 1 to 5; None where none gave one.

    Raises as `verdicts.of_judges` does.
    """
    return of_judges(recipe, ledger, lambda context: (_mean(each, context) for each in asked))


async def _mean(asked: Scored, context: StageContext) -> float | None:
    given = await all_ended(_score(asked, judge, context) for judge in context.judges)
    scores = [score for score in given if score is not None]
    return fmean(scores) if scores else None


async def _score(asked: Scored, judge: Teacher, context: StageContext) -> int | None:
    request = context.render(
        "judge_rubric",
        system_info=asked.system_info,
        user_info=asked.user_info,
        query=asked.query,
        reference=asked.reference,
        response=asked.response,
        criterion=asked.criterion,
    )
    try:
        completion = await judge.complete(request)
    except TeacherError as e:
        if isinstance(e, TeacherUnusable):
            raise
        return None
    return RubricScore.model_validate_json(completion.text).score
