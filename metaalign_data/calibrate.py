"""Ask a recipe's judges about pairs that people have labelled."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaalign_data.engine.context import StageContext
from metaalign_data.engine.folder import RunFolder, write_atomically
from metaalign_data.engine.preflight import model_problems
from metaalign_data.engine.session import open_session
from metaalign_data.engine.stopping import stop_on_signals
from metaalign_data.engine.wiring import library_of
from metaalign_data.errors import TeacherError, TeacherUnusable, UserError
from metaalign_data.recipe import Recipe
from metaalign_data.report.calibration import Outcome, calibration
from metaalign_data.report.gold import BadPair, GoldPair
from metaalign_data.stage import Reject
from metaalign_data.stages.asking import all_ended
from metaalign_data.stages.judge import Judge
from metaalign_data.stages.matchups import Matchup
from metaalign_data.stages.pair import Pair

STAGE = "calibrate"
RESULT = "calibration.json"
_AS_THEY_STAND = Matchup(side=0, a=0, b=1)


@dataclass(frozen=True)
class Unjudged:
    """A pair on which the judges gave no verdict of use, or could not be asked. `where` is "file:line"."""

    reason: str
    detail: str
    where: str


async def calibrate(
    recipe: Recipe, gold: Iterable[GoldPair | BadPair], out: Path, *, target: float = 0.95
) -> dict[str, Any]:
    """Has the recipe's judges compare each gold pair as its `judge` stage would, and says how often they are right.

    Answers go through the ledger and the budget of the directory `out`, so that the same call again resumes. Returns
    the figures of report.calibration.calibration, with `bad_rows` and `unjudged` (reason, detail, where, each) and the
    `cost`, and writes them to `out`/calibration.json. Raises UserError where judges or gold are not in order, and
    BudgetReached or TeacherUnusable when it had to end early.
    """
    recipe = recipe.model_copy(update={"teachers": recipe.judges[:1], "weak_teacher": None})  # only judges are asked
    if problems := model_problems(recipe):
        raise UserError("\n".join(problems))
    rows = list(gold)
    pairs = [row for row in rows if isinstance(row, GoldPair)]
    bad = [row for row in rows if isinstance(row, BadPair)]
    if not pairs:
        raise UserError(f"no usable pair: {bad[0].reason} ({bad[0].detail})", where=bad[0].where)
    folder, library, (judge, min_margin) = RunFolder(out), library_of(recipe), _settings(recipe)
    with folder.held():
        async with open_session(recipe, folder.ledger, library) as session:
            context = StageContext(library, session.teacher, session.judges, recipe.seed, STAGE)
            with stop_on_signals(session.stop, recipe.run.grace_s):
                judged = await all_ended(_judged(judge, pair, context) for pair in pairs)
            outcomes = [each for each in judged if isinstance(each, Outcome)]
            found = {
                "judge": session.judge_model,
                "simulated": session.simulated,
                "bad_rows": [vars(row) for row in bad],
                "unjudged": [vars(each) for each in judged if isinstance(each, Unjudged)],
                **calibration(outcomes, min_agreement=judge.config.min_agreement, min_margin=min_margin, target=target),
                "cost": {"calls": session.ledger.totals().calls, "usd": _text(session.ledger.totals().usd)},
            }
        write_atomically(out / RESULT, (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode())
    return found


def _settings(recipe: Recipe) -> tuple[Judge, float]:
    """The first judge stage of the recipe, and the margin that its pairs need; the defaults where it has none."""
    stages: Sequence[object] = [spec.stage for spec in recipe.stage_specs]
    judge = next((stage for stage in stages if isinstance(stage, Judge)), Judge(Judge.Config()))
    pair = next((stage for stage in stages if isinstance(stage, Pair)), Pair(Pair.Config()))
    return judge, pair.config.min_margin


async def _judged(judge: Judge, pair: GoldPair, context: StageContext) -> Outcome | Unjudged:
    try:
        found = await judge.compare(pair.responses, _AS_THEY_STAND, context.rng(pair.responses), context)
    except TeacherError as e:
        if isinstance(e, TeacherUnusable):
            raise
        return Unjudged(e.reason, str(e), pair.where)
    if isinstance(found, Reject):
        return Unjudged(found.reason, found.detail, pair.where)
    first, second = (len(response.text) for response in pair.responses.responses)
    return Outcome(pair.label, found, (first, second))


def _text(usd: object) -> str | None:
    return None if usd is None else str(usd)
