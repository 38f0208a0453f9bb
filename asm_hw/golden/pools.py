"""Pools of integers, exact: window sums stay far below what the float kernels represent."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError

from .exact_linear import FLOAT32_EXACT, FLOAT64_EXACT
from .integer_arithmetic import bound_of

Pair = tuple[int, int]


def sum_pool(x: Tensor, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool = False) -> Tensor:
    """Sums over windows of [n, c, h, w], zeros around it; int64, exact.

    ``ceil_mode``: as PyTorch has it, windows at the end may reach further.
    Raises `ParameterError` where a sum could leave 53 bits.
    """
    bound = bound_of(x) * kernel[0] * kernel[1]
    if bound >= FLOAT64_EXACT:
        raise ParameterError(f"window sums must stay below 2**53, not {bound}")
    values = x.to(torch.float32 if bound < FLOAT32_EXACT else torch.float64)
    return F.avg_pool2d(values, kernel, stride, padding, ceil_mode, divisor_override=1).to(torch.int64)


def max_pool(x: Tensor, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool = False) -> Tensor:
    """The largest of each window of [n, c, h, w]; what is padded never wins. int64."""
    exact = torch.float32 if bound_of(x) < FLOAT32_EXACT else torch.float64
    return F.max_pool2d(x.to(exact), kernel, stride, padding, ceil_mode=ceil_mode).to(torch.int64)
