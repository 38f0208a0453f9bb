"""Models, inputs and labels that training can go on with; anything else is one sentence."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from asm_hw.errors import ParameterError


def check_model(model: Any) -> None:
    """Raise `ParameterError` unless ``model`` is a module of finite numbers, and float32 parameters.

    Scales are logarithms in float64.
    """
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise ParameterError("model must be the module that was scripted or traced, not what torch.jit made of it")
    lazy = next((name for name, parameter in model.named_parameters() if is_lazy(parameter)), None)
    if lazy is not None:
        raise ParameterError(f"model must have run once, and {lazy!r} has no shape yet")
    for name, parameter in model.named_parameters():
        allowed = (torch.float32, torch.float64) if name.endswith("log2_scale") else (torch.float32,)
        if parameter.dtype not in allowed:
            raise ParameterError(f"model must hold float32 parameters, and {name!r} is {parameter.dtype}")
    for name, values in (*model.named_parameters(), *model.named_buffers()):
        if not values.isfinite().all():
            raise ParameterError(f"model must hold finite numbers, and {name!r} holds others")


def check_inputs(name: str, values: Any, shape: Collection[int] | None = None) -> None:
    """Raise `ParameterError` unless ``values`` are finite float32 inputs [n, *shape], of any shape if None."""
    wanted = "a float32 tensor [n, ...]" if shape is None else f"a float32 tensor [n, {', '.join(map(str, shape))}]"
    if not isinstance(values, Tensor):
        raise ParameterError(f"{name} must be {wanted}, not {type(values).__name__}")
    fits = values.dim() > 1 if shape is None else values.shape[1:] == tuple(shape)
    if values.dtype != torch.float32 or not values.dim() or not fits:
        raise ParameterError(f"{name} must be {wanted}, not {values.dtype} {list(values.shape)}")
    if not len(values):
        raise ParameterError(f"{name} must hold at least one input, not none")
    if not values.isfinite().all():
        raise ParameterError(f"{name} must hold finite numbers, and not nan or infinities")


def check_labelled(images: Tensor, labels: Tensor, classes: int) -> None:
    """Raise `ParameterError` unless ``images`` are finite and ``labels`` from 0 to ``classes`` - 1."""
    if not images.isfinite().all():
        raise ParameterError("images of the data set must hold finite numbers, and not nan or infinities")
    low, high = torch.aminmax(labels)
    if low < 0 or high >= classes:
        wrong = int(low if low < 0 else high)
        raise ParameterError(f"labels of the data set must be from 0 to {classes - 1}, not {wrong}")
