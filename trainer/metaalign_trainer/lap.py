"""One stage of a run, from its rows to its model folder."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from metaalign_trainer.config import Config, DpoSettings, Stage, StageSettings
from metaalign_trainer.errors import TrainerError
from metaalign_trainer.files import new_folder, write_atomically
from metaalign_trainer.finish import save_model, trained_weights
from metaalign_trainer.lessons import Lesson, lesson, note, rows_of
from metaalign_trainer.model import load_model, without_dropout
from metaalign_trainer.objectives import Dpo, Objective, Scorer, Sft
from metaalign_trainer.output import Output
from metaalign_trainer.parallel import World, blocks_of, shard
from metaalign_trainer.reference import reference_logps
from metaalign_trainer.second_stage import Judge, against_itself
from metaalign_trainer.start import dtype_of, renderer_of, with_adapters
from metaalign_trainer.train import Job, fit
from metaalign_trainer.watch import Watch, unwatched, watching


class Lap:
    """Stage `stage` of `config`, from the model in `start` (a folder, or a name on the Hub)."""

    def __init__(
        self, stage: Stage, settings: StageSettings, start: str, config: Config, output: Output, world: World
    ) -> None:
        self.stage, self.settings, self.start = stage, settings, start
        self.config, self.output, self.world = config, output, world
        self.renderer = renderer_of(start)
        self.dtype, self.mixed = dtype_of(config, world.device)

    def run(self, judge: Judge | None, *, quiet: bool) -> None:
        """Train, or go on with it, and write the model."""
        learnt = self._lesson(judge)
        if self.world.is_main:
            note(learnt, self.stage, self.config, self.output)
        model: Any = load_model(self.start, self.dtype)
        model.to(self.world.device)
        parameters = model.num_parameters()
        objective = self._objective(model, learnt)
        scorer = self._prepared(model)
        try:
            fit(scorer, objective, self._job(learnt), self.world, self._watch(quiet=quiet))
        except torch.OutOfMemoryError as e:
            raise TrainerError(
                f"the device has not the memory for {self.stage}.tokens_at_once: {self.settings.tokens_at_once}; the "
                "same command goes on with a lower one, which changes no result, or with gradient_checkpointing: true"
            ) from e
        weights = trained_weights(model, self.world)
        if self.world.is_main:
            self._save(weights, learnt.facts | {"parameters": parameters})
        self.world.wait()

    def _lesson(self, judge: Judge | None) -> Lesson:
        rows = rows_of(self.stage, self.config)
        if self.stage == "sft" or self.config.two_stage is None:
            return lesson(self.stage, self.config, rows, self.renderer)
        rows, left_out = against_itself(rows, self.start, self.renderer, self.config, self.output, self.world, judge)
        return lesson(self.stage, self.config, rows, self.renderer, left_out)

    def _objective(self, model: PreTrainedModel, learnt: Lesson) -> Objective:
        if not isinstance(self.settings, DpoSettings):
            return Sft(held_out_pairs=any(len(row.answers) == 2 for row in learnt.held_out))
        own = [*learnt.rows, *learnt.held_out][self.world.rank :: self.world.size]
        with torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.mixed):  # as the policy is computed
            found = reference_logps(model, own, self.output.references)
        return Dpo(self.settings, self.world.merged(found))

    def _prepared(self, model: PreTrainedModel) -> nn.Module:
        """The model as a scorer, with what the configuration puts around it; `model` itself is changed."""
        model.config.use_cache = False
        if isinstance(self.settings, DpoSettings):
            without_dropout(model)
        if self.config.lora:
            torch.manual_seed(self.config.seed)  # adapters begin at random
            with_adapters(model, self.config.lora)
        if self.config.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        if self.config.compile:
            for block in blocks_of(model):
                block.compile(dynamic=True)
        scorer = Scorer(model)
        if self.world.size > 1:
            shard(scorer, model, self.world, bf16=self.mixed)
        return scorer

    def _job(self, learnt: Lesson) -> Job:
        return Job(
            stage=self.stage,
            settings=self.settings,
            seed=self.config.seed,
            rows=learnt.rows,
            held_out=learnt.held_out,
            checkpoints=self.output.checkpoints(self.stage),
            checkpoint_every=self.config.checkpoint_every,
            keep_checkpoints=self.config.keep_checkpoints,
            evaluate_every=self.config.evaluate_every,
            autocast=self.mixed and self.world.size == 1,  # FSDP casts by itself
        )

    def _watch(self, *, quiet: bool) -> Watch:
        if not self.world.is_main:
            return unwatched
        return watching(self.output, self.stage, tensorboard=self.config.tensorboard, quiet=quiet)

    def _save(self, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        is_last = self.stage == list(self.config.stages)[-1]
        lora = self.config.lora
        if lora and not is_last:
            lora = lora.model_copy(update={"merge": True})  # the next stage starts from a plain model
        told = {**facts, **figures_of(self.output, self.stage)}
        write_atomically(self.output.facts(self.stage), json.dumps(told, indent=2) + "\n")
        with new_folder(self.output.model_after(self.stage, self.config)) as scratch:
            save_model(self.start, weights, self.renderer, lora, scratch)
        self.output.forget_checkpoints(self.stage)


def figures_of(output: Output, stage: Stage) -> dict[str, Any]:
    """How a stage went: totals, and the means over its last tenth of steps; what was held out as measured last."""
    rows = [row for row in output.metrics.rows() if row["stage"] == stage]
    end = rows[-max(1, len(rows) // 10) :]
    names = [name for name in ("loss", "accuracy", "ties", "margin") if name in end[0]]
    last = {name: sum(row[name] for row in end) / len(end) for name in names}
    measured = [row for row in rows if "held_out_loss" in row]
    last |= {name: value for name, value in (measured[-1] if measured else {}).items() if name.startswith("held_out")}
    totals = {"steps": len(rows), "tokens": sum(row["tokens"] for row in rows)}
    return totals | {"seconds": round(sum(row["seconds"] for row in rows), 3), "last": last}
