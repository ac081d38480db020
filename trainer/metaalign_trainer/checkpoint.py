"""Checkpoints: safetensors only, there whole or not at all, the same whether one process wrote them or several.

A checkpoint is a folder step-000123 with the trained weights and the optimiser's moments after 123 steps. The order of
the rows and every random number follow from seed and step, so that nothing else is needed to go on bit for bit.
"""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from metaalign_trainer.errors import TrainerError
from metaalign_trainer.files import new_folder
from metaalign_trainer.parallel import World, fill, spread, whole_tensor

WEIGHTS, MOMENTS = "weights.safetensors", "moments.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save(folder: Path, step: int, model: nn.Module, optimizer: torch.optim.AdamW, world: World, *, keep: int) -> None:
    """Write the checkpoint after `step` steps; only the last `keep` stay. All processes must call this together."""
    spread(model)
    weights: dict[str, Tensor] = {}
    moments: dict[str, Tensor] = {}
    for name, parameter in _trained(model):
        weights |= _gathered({name: parameter.detach()}, world)
        moments |= _gathered({f"{name}/{key}": optimizer.state[parameter][key] for key in _MOMENTS}, world)
    if world.is_main:
        with new_folder(folder / f"step-{step:06d}") as scratch:
            save_file(weights, scratch / WEIGHTS)
            save_file(moments, scratch / MOMENTS)
        for _, old in _steps(folder)[:-keep]:
            shutil.rmtree(old)
    world.wait()


def restore(folder: Path, model: nn.Module, optimizer: torch.optim.AdamW) -> int:
    """Go back to the last checkpoint, and return how many steps it has done; 0 where there is none.

    Raises TrainerError where it does not fit the model.
    """
    found = _steps(folder)
    if not found:
        return 0
    step, path = found[-1]
    weights, moments = load_file(path / WEIGHTS), load_file(path / MOMENTS)
    if weights.keys() != {name for name, _ in _trained(model)}:
        raise TrainerError(f"{path}: holds other weights than the model has; remove the folder to start again")
    for name, parameter in _trained(model):
        fill(parameter, weights[name])
        state = optimizer.state[parameter]
        state["step"] = moments[f"{name}/step"].clone()
        for key in ("exp_avg", "exp_avg_sq"):
            state[key] = torch.zeros_like(parameter)
            fill(state[key], moments[f"{name}/{key}"])
    return step


def _steps(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints in a folder, in order."""
    return sorted((int(path.name.removeprefix("step-")), path) for path in folder.glob("step-*"))


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _gathered(tensors: dict[str, Tensor], world: World) -> dict[str, Tensor]:
    """The whole tensors on the CPU of the main process; nothing in the others."""
    whole = {name: whole_tensor(tensor) for name, tensor in tensors.items()}
    return {name: tensor.cpu().contiguous() for name, tensor in whole.items()} if world.is_main else {}
