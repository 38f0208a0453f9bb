"""Batch norms as what they multiply by and add, in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor

from .traced_operations import Norm


def affine(norm: Norm) -> tuple[Tensor, Tensor]:
    """(gain, shift), float64 [channels], of a batch norm in evaluation mode, which keeps running statistics."""
    assert norm.running_mean is not None and norm.running_var is not None
    gain = (double(norm.running_var) + norm.eps).rsqrt()
    if norm.weight is not None:
        gain = gain * double(norm.weight)
    shift = torch.zeros_like(gain) if norm.bias is None else double(norm.bias)
    return gain, shift - double(norm.running_mean) * gain


def double(values: Tensor) -> Tensor:
    """What the model holds, as float64 on the CPU."""
    return values.detach().double().cpu()
