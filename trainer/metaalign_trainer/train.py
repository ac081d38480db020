"""The training loop: one function, one step after the other, the phases of a step in the order in which they happen."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from metaalign_trainer import checkpoint
from metaalign_trainer.config import StageSettings
from metaalign_trainer.data import Example, length
from metaalign_trainer.errors import Diverged
from metaalign_trainer.objectives import Objective
from metaalign_trainer.parallel import World, whole_tensor
from metaalign_trainer.plan import Order, passes, steps_in_all, together
from metaalign_trainer.schedule import learning_rate
from metaalign_trainer.stopping import Interrupted, stop_requested
from metaalign_trainer.watch import Watch

BETAS = (0.9, 0.95)
SHOWN_IDS = 8


@dataclass(frozen=True)
class Job:
    """One stage of training: how, on what, and where its checkpoints go."""

    stage: str
    settings: StageSettings
    seed: int
    rows: Sequence[Example]
    held_out: Sequence[Example]
    checkpoints: Path
    checkpoint_every: int
    keep_checkpoints: int
    evaluate_every: int
    autocast: bool

    @property
    def steps(self) -> int:
        settings = self.settings
        return steps_in_all(len(self.rows), settings.rows_per_step, settings.epochs, settings.max_steps)


def fit(model: nn.Module, objective: Objective, job: Job, world: World, watch: Watch) -> None:
    """Train `model` in place, from the last checkpoint on where there is one.

    Raises Diverged with the ids of the rows where a loss or gradient is not finite, before it touches a weight, and
    Interrupted after a signal, with a checkpoint written.
    """
    settings, total = job.settings, job.steps
    order = Order(together([row.flip for row in job.rows]), settings.rows_per_step, job.seed)
    optimizer = _optimizer(model, settings)
    done = checkpoint.restore(job.checkpoints, model, optimizer)
    model.train()
    with stop_requested() as stop, watch(done, total) as tell:
        for step in range(done, total):
            # The rows of this step, and nothing random that does not follow from its number.
            started_s = time.monotonic()
            torch.manual_seed(job.seed * 1_000_003 + step)
            rows = [job.rows[i] for i in order.of_step(step)]

            # Forward and backward, in as many passes as memory asks for.
            measured = _accumulate(model, objective, rows, job, world)
            norm = whole_tensor(nn.utils.clip_grad_norm_(_trained(model), settings.max_grad_norm))

            # One look at the figures; nothing has been changed yet.
            losses, figures = measured.losses.tolist(), measured.figures.tolist()
            _refuse_unless_finite(losses, norm.item(), measured.divided, step)

            # Step.
            rate = learning_rate(
                step, total, peak=settings.learning_rate, warmup=settings.warmup, shape=settings.schedule
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            # Tell.
            row: dict[str, object] = {"stage": job.stage, "step": step + 1}
            row |= {"epoch": round((step + 1) / math.ceil(len(job.rows) / settings.rows_per_step), 4)}
            row |= {"loss": sum(losses), "learning_rate": rate, "grad_norm": norm.item()}
            row |= {name: value / len(rows) for name, value in zip(objective.figures, figures, strict=True)}
            row |= {"rows": len(rows), "tokens": sum(map(length, rows))}
            row |= {"seconds": round(time.monotonic() - started_s, 4)}
            if job.held_out and ((step + 1) % job.evaluate_every == 0 or step + 1 == total):
                row |= evaluate(model, objective, job, world)
            tell(row)

            # Keep.
            stopping = world.total(torch.tensor(float(stop()), device=world.device)).item() > 0
            if stopping or ((step + 1) % job.checkpoint_every == 0 and step + 1 < total):
                checkpoint.save(job.checkpoints, step + 1, model, optimizer, world, keep=job.keep_checkpoints)
            if stopping:
                raise Interrupted(f"stopped after step {step + 1} of {total} of {job.stage}")


@dataclass(frozen=True)
class Measured:
    """One step over all processes: the share of each pass in the loss, the sums of the figures, the rows by pass."""

    losses: Tensor
    figures: Tensor
    divided: Sequence[Sequence[Example]]


def _accumulate(model: nn.Module, objective: Objective, rows: Sequence[Example], job: Job, world: World) -> Measured:
    """The gradient of the step's mean loss, left in the parameters; FSDP takes the mean over processes."""
    divided = [
        [rows[i] for i in part] for part in passes([*map(length, rows)], job.settings.tokens_at_once, world.size)
    ]
    units = sum(map(objective.units, rows))
    losses = torch.zeros(len(divided), dtype=torch.float64, device=world.device)
    figures = torch.zeros(len(objective.figures), dtype=torch.float64, device=world.device)
    for i in range(world.rank, len(divided), world.size):
        with _precision(job, world):
            loss, told = objective(model, divided[i] or rows[:1])  # an idle process has to take part in the pass
        (loss * (world.size / units if divided[i] else 0.0)).backward()
        if divided[i]:
            losses[i] = loss.detach() / units
            figures += told
    return Measured(world.total(losses), world.total(figures), divided)


@torch.no_grad()
def evaluate(model: nn.Module, objective: Objective, job: Job, world: World) -> dict[str, float]:
    """Mean loss and figures over the held-out rows."""
    model.eval()
    rows = job.held_out
    divided = [
        [rows[i] for i in part] for part in passes([*map(length, rows)], job.settings.tokens_at_once, world.size)
    ]
    sums = torch.zeros(1 + len(objective.held_out_figures), dtype=torch.float64, device=world.device)
    for i in range(world.rank, len(divided), world.size):
        with _precision(job, world):
            loss, told = objective(model, divided[i] or rows[:1])
        if divided[i]:
            sums += torch.cat([loss.reshape(1).double(), told])
    model.train()
    loss_sum, *figures = world.total(sums).tolist()
    found = {"held_out_loss": loss_sum / sum(map(objective.units, rows))}
    named = dict(zip(objective.held_out_figures, figures, strict=True))
    return found | {f"held_out_{name}": named[name] / len(rows) for name in ("accuracy", "margin") if name in named}


def _refuse_unless_finite(
    losses: Sequence[float], norm: float, divided: Sequence[Sequence[Example]], step: int
) -> None:
    bad = [i for i, loss in enumerate(losses) if not math.isfinite(loss)]
    if not bad and math.isfinite(norm):
        return
    what = f"the loss is {losses[bad[0]]}" if bad else f"the gradient is {norm}"
    ids = [example.id for i in (bad or range(len(divided))) for example in divided[i]]
    more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    raise Diverged(
        f"{what} in step {step + 1}; its rows: {', '.join(ids[:SHOWN_IDS])}{more}; the weights are those before "
        "this step. Lower the learning rate, or look at these rows"
    )


def _optimizer(model: nn.Module, settings: StageSettings) -> torch.optim.AdamW:
    trained = _trained(model)
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    on_gpu = trained[0].is_cuda
    # Fused, a step reads and writes each weight once; on a CPU it is no faster, and the plain one is what was tested.
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], settings.learning_rate, BETAS, fused=on_gpu or None
    )


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@contextmanager
def _precision(job: Job, world: World) -> Iterator[None]:
    with torch.autocast(world.device.type, torch.bfloat16, enabled=job.autocast):
        yield
