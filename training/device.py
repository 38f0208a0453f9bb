"""Where training computes, in a way that repeats itself to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.deterministic


def is_cuda(device: str) -> bool:
    """Whether ``device`` is an NVIDIA GPU."""
    return torch.device(device).type == "cuda"


def device_name(device: str) -> str:
    """The model of a GPU, else ``device`` itself, as ``cpu``."""
    return torch.cuda.get_device_name(device) if is_cuda(device) else device


@contextmanager
def repeatable(device: str) -> Iterator[None]:
    """Sums in one order, float32 in all of its bits, random numbers of its own; PyTorch's state returns afterwards.

    On a GPU the first two cost speed, so PyTorch does without unless asked. An operation that has no such
    kernel there warns and is computed all the same: a run with it is not resumed to the bit.
    """
    with _whole_products(), torch.random.fork_rng(devices=[torch.device(device)] if is_cuda(device) else []):
        if is_cuda(device):
            with _one_order(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                yield
        else:
            yield


@contextmanager
def _whole_products() -> Iterator[None]:
    """Matrix products of float32 in float32, whatever the caller has set."""
    kept = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(kept)


@contextmanager
def _one_order() -> Iterator[None]:
    """Every operation on a GPU by its deterministic kernel, where it has one."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for; read when it begins
    mode = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # a pass over memory to find bugs with
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode, warn_only=warns)
        memory.fill_uninitialized_memory = filled
