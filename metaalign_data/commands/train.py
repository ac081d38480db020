"""train: a model that follows the preferences of a dataset, or a static one to compare it with."""

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaalign_data.commands.run import ERR
from metaalign_data.commands.with_trainer import trainer
from metaalign_data.errors import UserError, did_you_mean
from metaalign_data.recipe import Recipe
from metaalign_data.resources import bundled_recipes
from metaalign_data.verdicts import Contest, verdicts

if TYPE_CHECKING:
    from metaalign_data.hub.push import Target
    from metaalign_trainer.config import Config
    from metaalign_trainer.second_stage import Judge, Verdict

_VERDICTS: "Mapping[str | None, Verdict | None]" = {"a": "chosen", "b": "sampled", "tie": "tie", None: None}


def train(args: argparse.Namespace) -> int:
    with trainer():
        from metaalign_trainer.config import Config
        from metaalign_trainer.stopping import Interrupted

        config = Config.load(_config_file(args.config), args.set)
        try:
            return _train(args, config, Path(args.out) if args.out else Path("runs") / config.name)
        except Interrupted as e:
            ERR.print(f"{e}; run the same command again to go on", markup=False, soft_wrap=True)
            return 130


def _train(args: argparse.Namespace, config: "Config", out: Path) -> int:
    from metaalign_trainer.rows import is_simulated, read_rows
    from metaalign_trainer.stages import train as run_stages
    from metaalign_trainer.telling import told

    if args.push_to and not args.allow_simulated and is_simulated(read_rows(config, config.data.split)):
        what = "a model that learns simulated data is not to be published"
        raise UserError(what, where=config.data.source, fix="--allow-simulated publishes it all the same")
    target = _target(args) if args.push_to else None
    judge = _judge(config.judge, out, simulate=args.simulate) if config.judge else None
    summary = run_stages(config, out, judge=judge)
    if not summary:  # one of several processes, and not the first
        return 0
    if target:
        summary["pushed"] = _pushed(out / "model", target)
    print(json.dumps(summary) if args.json else "\n".join(told(summary)))
    if args.push_to and not args.json:
        print(f"pushed   {summary['pushed']}")
    return 0


def _target(args: argparse.Namespace) -> "Target":
    """Where the model goes. Raises now what would be known only after training else."""
    from metaalign_data.hub.push import Target, ready

    target = Target(args.push_to, kind="model", private=args.private)
    ready(target)
    return target


def _pushed(model: Path, target: "Target") -> str:
    """The address of the repository that holds the model now."""
    from metaalign_data.commands.push import quiet_in_pipes
    from metaalign_data.hub.push import push_folder

    quiet_in_pipes()
    return push_folder(model, target).url


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
