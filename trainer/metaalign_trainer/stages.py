"""A training run from its configuration to a model folder: the stages in order, each resumable, none done twice."""

import json
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

from metaalign_trainer.config import Config
from metaalign_trainer.errors import TrainerError
from metaalign_trainer.files import write_atomically
from metaalign_trainer.lap import Lap
from metaalign_trainer.model_card import model_card
from metaalign_trainer.output import Output
from metaalign_trainer.parallel import joined
from metaalign_trainer.second_stage import Judge
from metaalign_trainer.start import make_start

SOFTWARE = ("torch", "transformers", "metaalign-data")


def train(config: Config, out: Path, *, judge: Judge | None = None, quiet: bool = False) -> dict[str, Any]:
    """Train the model that `config` describes in the directory `out`, whose model/ then loads by plain transformers.

    The same call again goes on where the last one stopped, bit for bit; after the end it does nothing. `judge` compares
    answers for `rejected: judged`. Returns what summary.json holds, {} in all processes but the first. Raises
    TrainerError for what cannot be followed or learnt, Diverged where a loss is no number, Interrupted after a signal.
    """
    if config.two_stage and config.two_stage.rejected == "judged" and judge is None:
        raise TrainerError("'rejected: judged' asks a judge: train with metaalign-data train")
    _only_our_own_progress()
    output = Output(out)
    with joined() as world, output.held() if world.is_main else nullcontext():
        if world.is_main:
            output.settle(config)
            make_start(config, output.start)
        world.wait()
        start = config.model.path or str(output.start)
        for stage, settings in config.stages.items():
            model = output.model_after(stage, config)
            if not model.exists():
                Lap(stage, settings, start, config, output, world).run(judge, quiet=quiet)
            start = str(model)
        return _finished(config, output) if world.is_main else {}


def _only_our_own_progress() -> None:
    from datasets import disable_progress_bars
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bars()
    disable_progress_bar()


def _finished(config: Config, output: Output) -> dict[str, Any]:
    """Write the summary and the card."""
    stages = {stage: json.loads(output.facts(stage).read_text(encoding="utf-8")) for stage in config.stages}
    summary: dict[str, Any] = {
        "name": config.name,
        "model": str(output.model),
        "simulated": any(facts["simulated"] for facts in stages.values()),
        "curves": str(output.curves) if output.curves.exists() else None,
        "stages": stages,
        "versions": {name: version(name) for name in SOFTWARE},
    }
    if output.curves.exists():
        (output.model / output.curves.name).write_bytes(output.curves.read_bytes())
    write_atomically(output.model / "README.md", model_card(config, summary))
    write_atomically(output.summary, json.dumps(summary, indent=2) + "\n")
    return summary
