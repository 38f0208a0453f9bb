"""The processes that torchrun starts, as one training."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from asm_hw.errors import ParameterError

from .device import is_cuda

PATIENCE = timedelta(hours=12)
"""The others wait while the first process downloads data or evaluates integers."""


@dataclass(frozen=True)
class Group:
    """This process's number ``rank`` among ``size``, and its number ``local`` among those of its machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """The rows of a batch of ``batch`` that are this process's; `ParameterError` unless all get as many."""
        if batch % self.size:
            raise ParameterError(f"batch must be a multiple of the {self.size} processes, not {batch}")
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def total(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def wrap(self, model: nn.Module) -> nn.Module:
        """``model``, its gradients averaged over the processes; running statistics are those of the first."""
        return DistributedDataParallel(model) if self.size > 1 else model

    def share(self, model: nn.Module) -> None:
        """Give every process the buffers of the first, as the next step would."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def agree(self, name: str, found: str) -> None:
        """Raise `ParameterError` in every process unless all of them ``found`` the same in the folder ``name``."""
        if self.size > 1:
            everyone = [""] * self.size
            dist.all_gather_object(everyone, found)
            if len(set(everyone)) > 1:
                raise ParameterError(
                    f"{name} must be a folder that all processes share, and they found {', '.join(everyone)}"
                )

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


def _take_gpu(device: str, local: int) -> None:
    """Make ``device`` the GPU number ``local`` of this machine."""
    if device != "cuda":
        raise ParameterError(f"device must be cuda where several processes take a GPU each, not {device!r}")
    count = torch.cuda.device_count()
    if 0 < count <= local:
        raise ParameterError(f"processes on a machine must be at most its {count} GPUs, not {local + 1} or more")
    torch.cuda.set_device(local)


@contextmanager
def process_group(device: str = "cpu") -> Iterator[Group]:
    """The group that torchrun's environment describes; a single process without it.

    Raises `ParameterError` for a ``device`` that PyTorch does not have here.
    """
    size, local = (int(os.environ.get(name, default)) for name, default in (("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")))
    try:
        if size > 1 and is_cuda(device):
            _take_gpu(device, local)
        torch.empty(0, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError):  # unknown or without storage, not in this build, no module
        raise ParameterError(f"device must be one that PyTorch has here, such as cpu, not {device!r}") from None
    if size == 1:
        yield Group()
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if is_cuda(device) else "gloo", timeout=PATIENCE)
    try:
        yield Group(dist.get_rank(), dist.get_world_size(), local)
    finally:
        gc.collect()  # wrapped models are cycles that keep the group's threads, which must not outlive it
        dist.destroy_process_group()
