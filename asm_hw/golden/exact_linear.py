"""Fast exact matvec and conv2d: floating-point kernels where value bounds prove them exact.

A float sum of integers is exact, in any order, as long as every partial sum stays below 2**24
(float32) or 2**53 (float64): then each is an integer that the format represents. The bound used is
max over outputs of sum |w| times max |x|. Beyond 2**53 the weights are split into a high and a low
half, whose exact results add in int64.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError

from .integer_arithmetic import FLOAT64_EXACT, bound_of

FLOAT32_EXACT = 1 << 24


def matvec(w: Tensor, x: Tensor, bound: int | None = None) -> Tensor:
    """``x @ w.T``: levels [out, in] times activations [..., in], int64 [..., out], exact.

    ``bound``: that no magnitude of a partial sum exceeds, where it is known: finding one looks at every value.
    Raises `ParameterError` where a result could leave 63 bits.
    """
    return _exact(F.linear, w, x, bound)


def conv2d(
    w: Tensor,
    x: Tensor,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    bound: int | None = None,
    floats: bool = False,
) -> Tensor:
    """Convolution of activations [n, in, h, w] by levels [out, in / groups, kh, kw], int64, exact.

    ``bound``: as in `matvec`. ``floats``: integers may stay in the float type that they were summed in, for
    `requantize`. Raises `ParameterError` where a result could leave 63 bits.
    """

    def convolve(inputs: Tensor, weights: Tensor) -> Tensor:
        return F.conv2d(inputs, weights, None, stride, padding, dilation, groups)

    return _exact(convolve, w, x, bound, floats)


def _exact(
    linear: Callable[[Tensor, Tensor], Tensor], w: Tensor, x: Tensor, bound: int | None = None, floats: bool = False
) -> Tensor:
    """``linear(x, w)`` in the cheapest format that the value bounds prove exact."""
    for name, tensor in (("w", w), ("x", x)):
        if tensor.is_floating_point():
            raise ParameterError(f"{name} must hold integers, not {tensor.dtype}")
    bound = _row_bound(w) * bound_of(x) if bound is None else bound
    if bound < FLOAT64_EXACT:
        exact = torch.float32 if bound < FLOAT32_EXACT else torch.float64
        sums = linear(x.to(exact), w.to(exact))
        return sums if floats else sums.to(torch.int64)
    if bound >= 1 << 63:
        raise ParameterError(f"sums must stay below 2**63, not {bound}")
    return _split(linear, w.to(torch.int64), x.to(torch.int64))


def _split(linear: Callable[[Tensor, Tensor], Tensor], w: Tensor, x: Tensor) -> Tensor:
    """``linear`` over the halves of the operand with the larger values: ``high * 2**bits + low``."""
    of_w = bound_of(w) >= bound_of(x)
    wide = w if of_w else x
    bits = bound_of(wide).bit_length() // 2
    high = wide >> bits
    low = wide - (high << bits)
    parts = [_exact(linear, part, x) if of_w else _exact(linear, w, part) for part in (high, low)]
    return (parts[0] << bits) + parts[1]


def _row_bound(w: Tensor) -> int:
    """The largest sum of weight magnitudes that one output sees."""
    if not w.numel():
        return 0
    rows = w.flatten(1)
    if bound_of(w) * rows.shape[1] < 1 << 63:
        return int(rows.to(torch.int64).abs().sum(1).max())
    return max(sum(map(abs, row)) for row in rows.tolist())
