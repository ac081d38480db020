"""train: a model that follows the preferences of a dataset, or a static one to compare it with."""

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaalign_data.commands.run import ERR
from metaalign_data.errors import MetaalignError, MissingExtra, UserError, did_you_mean
from metaalign_data.recipe import Recipe
from metaalign_data.resources import bundled_recipes
from metaalign_data.verdicts import Contest, verdicts

if TYPE_CHECKING:
    from metaalign_trainer.second_stage import Judge, Verdict

_VERDICTS: "Mapping[str | None, Verdict | None]" = {"a": "chosen", "b": "sampled", "tie": "tie", None: None}


def train(args: argparse.Namespace) -> int:
    if any(find_spec(package) is None for package in ("torch", "transformers", "peft")):
        raise MissingExtra("training", "train")
    from metaalign_trainer.config import Config
    from metaalign_trainer.errors import Diverged, TrainerError
    from metaalign_trainer.stopping import Interrupted
    from metaalign_trainer.telling import told

    try:
        config = Config.load(_config_file(args.config), _overrides(args))
        from metaalign_trainer.stages import train as run_stages  # torch and all: not for a mistake in the file

        out = Path(args.out) if args.out else Path("runs") / config.name
        judge = _judge(config.judge, out, simulate=args.simulate) if config.judge else None
        summary = run_stages(config, out, judge=judge, quiet=False)
    except Diverged as e:
        raise MetaalignError(str(e)) from e
    except TrainerError as e:
        raise UserError(str(e)) from e
    except Interrupted as e:
        ERR.print(f"{e}; run the same command again to go on", markup=False, soft_wrap=True)
        return 130
    print(json.dumps(summary) if args.json else "\n".join(told(summary)))
    return 0


def _config_file(name: str) -> Path:
    """A file, or a bundled configuration by its name."""
    path = Path(name)
    if path.is_file():
        return path
    recipes = bundled_recipes(training=True)
    if name in recipes:
        return recipes[name]
    what = f"there is no training configuration '{name}': no such file, and no bundled one of that name"
    raise UserError(what + did_you_mean(name, list(recipes)))


def _overrides(args: argparse.Namespace) -> list[str]:
    push = [f"push.to={args.push_to}"] if args.push_to else []
    flags = {"private": args.private, "allow_simulated": args.allow_simulated}
    return [*args.set, *push, *(f"push.{name}=true" for name, given in flags.items() if given)]


def _judge(recipe: str, out: Path, *, simulate: bool) -> "Judge":
    """The judges of a data recipe; what they say is kept in the output directory's ledger."""
    loaded = Recipe.load(recipe)
    return partial(_compare, loaded.simulated() if simulate else loaded, out / "ledger.sqlite")


def _compare(
    recipe: Recipe, ledger: Path, rows: Sequence[Mapping[str, Any]], answers: Sequence[str]
) -> "list[Verdict | None]":
    contests = [
        Contest.of_row(row, row["chosen"][0]["content"], answer) for row, answer in zip(rows, answers, strict=True)
    ]
    return [_VERDICTS[winner] for winner in verdicts(recipe, contests, ledger)]
