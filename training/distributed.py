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

from ..errors import ParameterError

PATIENCE = timedelta(hours=12)
"""The others wait while the first process downloads data or evaluates integers."""


@dataclass(frozen=True)
class Group:
    """This process's number ``rank`` among ``size``."""

    rank: int = 0
    size: int = 1

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
        """``model``, its gradients averaged over the processes. Batch norms keep statistics of their own process."""
        return DistributedDataParallel(model) if self.size > 1 else model

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def process_group(device: str = "cpu") -> Iterator[Group]:
    """The group that torchrun's environment describes; a single process without it.

    Raises `ParameterError` for a ``device`` that PyTorch does not have here.
    """
    try:
        torch.empty(0, device=device).cpu()
    except (RuntimeError, AssertionError, ImportError):  # unknown or without storage, not in this build, no module
        raise ParameterError(f"device must be one that PyTorch has here, such as cpu, not {device!r}") from None
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group()
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Group(dist.get_rank(), dist.get_world_size())
    finally:
        gc.collect()  # wrapped models are cycles that keep the group's threads, which must not outlive it
        dist.destroy_process_group()
