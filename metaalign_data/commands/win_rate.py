"""evaluate --judge: whose answers a judge prefers under the rows' meta-prompts."""

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from metaalign_data.recipe import Recipe
from metaalign_data.verdicts import Contest, verdicts

POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}


def win_rates(models: Mapping[str, str], rows: Sequence[Mapping[str, Any]], args: argparse.Namespace) -> dict[str, Any]:
    """Each baseline -> how the first model fares against it: wins, ties, losses, undecided, and the rate of points with
    its interval (a tie is half a point). `left_out` are prompts that one of the two models cannot take.

    Answers are compared in both orders as the recipe's `judge` stage would. Nothing loses to something.
    """
    from metaalign_trainer.evaluate.answer import answers_to
    from metaalign_trainer.sample import Sampling

    recipe = Recipe.load(args.judge)
    recipe = recipe.simulated() if args.simulate else recipe
    how = Sampling(args.temperature, 1.0, args.max_new_tokens, args.seed)
    asked = _drawn(rows, args.questions, args.seed)
    prompts = {row["id"]: _shown(row, meta=not args.no_meta_prompt) for row in asked}
    said = {name: answers_to(prompts, path, how, args.max_length) for name, path in models.items()}
    first, *others = models
    ledger = Path(args.out) / "ledger.sqlite"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    return {name: _against(asked, said[first], said[name], recipe, ledger, args.seed) for name in others}


def _drawn(rows: Sequence[Mapping[str, Any]], questions: int, seed: int) -> list[Mapping[str, Any]]:
    """So many rows with different prompts, from all splits alike."""
    distinct = list({repr(row["prompt"]): row for row in rows}.values())
    return random.Random(seed).sample(distinct, min(questions, len(distinct)))


def _shown(row: Mapping[str, Any], *, meta: bool) -> list[Mapping[str, str]]:
    """What the models are asked; the judge sees the meta-prompt always."""
    return [turn for turn in row["prompt"] if meta or turn["role"] != "system"]


def _against(
    rows: Sequence[Mapping[str, Any]],
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
    recipe: Recipe,
    ledger: Path,
    seed: int,
) -> dict[str, Any]:
    import numpy as np

    from metaalign_trainer.evaluate.figures import clusters, share

    both = [row for row in rows if row["id"] in ours and row["id"] in theirs]
    told = {row["id"]: _unheard(ours[row["id"]], theirs[row["id"]]) for row in both}
    open_rows = [row for row in both if told[row["id"]] is None]
    contests = [Contest.of_row(row, ours[row["id"]], theirs[row["id"]]) for row in open_rows]
    found = verdicts(recipe, contests, ledger) if contests else []
    told |= {row["id"]: winner for row, winner in zip(open_rows, found, strict=True)}
    decided = [row for row in both if told[row["id"]] is not None]
    counts = {
        name: sum(told[row["id"]] == who for row in decided)
        for name, who in (("wins", "a"), ("ties", "tie"), ("losses", "b"))
    }
    points = np.array([POINTS[str(told[row["id"]])] for row in decided])
    rate = asdict(share(points, clusters(decided), seed)) if decided else None
    return {**counts, "undecided": len(both) - len(decided), "left_out": len(rows) - len(both), "rate": rate}


def _unheard(ours: str, theirs: str) -> str | None:
    """The verdict that no judge is needed for; None where one is."""
    if ours.strip() and theirs.strip():
        return "tie" if ours.strip() == theirs.strip() else None
    return "tie" if not ours.strip() and not theirs.strip() else "a" if ours.strip() else "b"
