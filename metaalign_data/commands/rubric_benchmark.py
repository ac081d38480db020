"""evaluate --benchmark of shape "rubrics": models answer, and a recipe's judges score what they say."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaalign_data.errors import UserError
from metaalign_data.prompting import meta_prompt
from metaalign_data.recipe import Recipe
from metaalign_data.rubric_scores import Scored, rubric_scores

if TYPE_CHECKING:
    from metaalign_trainer.evaluate.rubrics import Task
    from metaalign_trainer.evaluate.shapes import Mapped


def rubric_figures(
    models: Mapping[str, str], rows: Sequence[Mapping[str, Any]], mapped: "Mapped", args: argparse.Namespace
) -> dict[str, Any]:
    """Model -> its mean score over questions with an interval, the score of each question, and what has none.

    An empty answer gets the lowest score without a judge. What the judges say is kept in the ledger of the output
    directory.
    """
    from metaalign_trainer.evaluate.answer import answers_to
    from metaalign_trainer.evaluate.rubrics import tasks
    from metaalign_trainer.evaluate.shapes import asked
    from metaalign_trainer.sample import Sampling

    if not args.judge:
        raise UserError("rubrics are applied by a judge", fix="name the recipe whose judges score with --judge")
    recipe = Recipe.load(args.judge)
    recipe = recipe.simulated() if args.simulate else recipe
    questions = tasks(rows, mapped, args.data)[: args.questions]
    prompts = {task.id: asked(task.query, task.context, mapped.tier, meta_prompt) for task in questions}
    how = Sampling(args.temperature, 1.0, args.max_new_tokens, args.seed)
    ledger = Path(args.out) / "ledger.sqlite"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, path in models.items():
        said = answers_to(prompts, path, how, args.max_length)
        found[name] = {"path": path, **_told(questions, said, mapped.tier, recipe, ledger, args.seed)}
    return found


def _told(
    questions: Sequence["Task"], said: Mapping[str, str], tier: str, recipe: Recipe, ledger: Path, seed: int
) -> dict[str, Any]:
    from metaalign_trainer.evaluate.rubrics import WORST, mean_scores
    from metaalign_trainer.evaluate.shapes import share_of

    scores: dict[tuple[str, int], float | None] = {}
    open_to: dict[tuple[str, int], Scored] = {}
    for task in questions:
        for place, criterion in enumerate(task.rubrics):
            if said.get(task.id, "").strip():
                infos = (task.context, "") if tier == "system_info" else ("", task.context)
                open_to[task.id, place] = Scored(*infos, task.query, task.reference, said[task.id], criterion)
            elif task.id in said:
                scores[task.id, place] = WORST
    scores |= zip(open_to, rubric_scores(recipe, list(open_to.values()), ledger), strict=True) if open_to else ()
    means = mean_scores(questions, scores)
    left_out = {"too_long_or_template": len(questions) - len(said), "no_verdict": len(said) - len(means)}
    return {
        "score": share_of(list(means.values()), seed) if means else None,
        "scores": means,
        "left_out": {reason: n for reason, n in left_out.items() if n},
    }
