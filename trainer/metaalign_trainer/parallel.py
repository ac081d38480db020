"""One process or several: `torchrun --nproc-per-node N -m metaalign_trainer CONFIG` shards the model by FSDP2.

Every process plans every step alike, takes its own share of the passes, and holds its own shard of the weights.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class World:
    """This process among those that train together. `device` is the GPU of its own, or the CPU."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes files and tells."""
        return self.rank == 0

    def total(self, figures: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size > 1:
            dist.all_reduce(figures)
        return figures

    def merged(self, own: Mapping[K, V]) -> dict[K, V]:
        """What every process has, in all of them. Values are plain Python: they travel as pickles of our own."""
        if self.size == 1:
            return dict(own)
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, own)
        return {key: value for part in parts for key, value in part.items()}

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun has started, or this process alone."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if size > 1:
        dist.init_process_group("nccl" if gpu else "gloo", device_id=device if gpu else None)
    try:
        yield World(rank, size, device)
    finally:
        if size > 1:
            dist.destroy_process_group()


def shard(whole: nn.Module, model: nn.Module, world: World, *, bf16: bool) -> None:
    """Spread the parameters of `whole` over the processes, in place: each block of `model` by itself, then the rest.

    `whole` is the module whose forward is called; it holds `model`, a transformers model. With `bf16`, products are in
    bfloat16, and gradients are summed in float32.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(world.device.type, (world.size,))
    policy = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32) if bf16 else MixedPrecisionPolicy()
    for block in blocks_of(model):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(whole, mesh=mesh, mp_policy=policy)


def spread(whole: nn.Module) -> None:
    """Give back what a forward pass without a backward one has left gathered.

    FSDP keeps the outermost weights whole for a backward pass; until then they are not what the optimiser holds.
    """
    from torch.distributed.fsdp import FSDPModule

    if isinstance(whole, FSDPModule):
        whole.reshard()


def blocks_of(model: Any) -> list[nn.Module]:
    """The layers of a transformers model, each of which is one block of attention and feed-forward."""
    names = set(model._no_split_modules or ())
    return [module for module in model.modules() if type(module).__name__ in names]


def whole_tensor(tensor: Tensor) -> Tensor:
    """All of a tensor of which this process may hold a shard. All processes must call this together."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def fill(tensor: Tensor, values: Tensor) -> None:
    """Write `values`, which every process has in full, into the tensor or into this process's shard of it."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    values = values.to(tensor.device, tensor.dtype)
    if isinstance(tensor, DTensor):
        values = distribute_tensor(values, tensor.device_mesh, tensor.placements)
    with torch.no_grad():
        tensor.copy_(values)
