"""Integer arithmetic of the units: multiply, accumulate, mac, dot, requantize.

Values, not codes: weights are levels, activations are integers. Everything is int64; no Amaranth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ParameterError


def multiply(w: Tensor, x: Tensor) -> Tensor:
    """The exact product of levels and activations, broadcast, int64."""
    return w.to(torch.int64) * x.to(torch.int64)


def fit(total: Tensor, acc_bits: int, overflow: str = "wrap") -> Tensor:
    """``total`` (int64) brought into ``acc_bits`` (2..62) signed bits: wrapped or saturated."""
    top = 1 << acc_bits - 1
    if overflow == "saturate":
        return total.clamp(-top, top - 1)
    return (total + top & 2 * top - 1) - top


def mac(acc: Tensor, w: Tensor, x: Tensor, clear: Tensor, acc_bits: int, overflow: str = "wrap") -> Tensor:
    """The accumulator after one enabled edge: ``fit((clear ? 0 : acc) + w * x)``."""
    return fit(torch.where(clear.bool(), 0, acc) + multiply(w, x), acc_bits, overflow)


def dot(w: Tensor, x: Tensor, acc_bits: int, overflow: str = "wrap") -> Tensor:
    """A sum over beats and lanes, as the unit ``dot`` forms it.

    ``w``: levels [..., beats, columns, lanes]; ``x``: activations [..., beats, lanes]; returns int64
    [..., columns]. The lanes of a beat add exactly; the overflow rule applies once a beat.
    """
    beats = multiply(w, x.unsqueeze(-2)).sum(-1)
    if overflow == "wrap":  # wrapping at the end equals wrapping at each step
        return fit(beats.sum(-2), acc_bits)
    acc = torch.zeros_like(beats[..., 0, :])
    for beat in beats.unbind(-2):
        acc = fit(acc + beat, acc_bits, overflow)
    return acc


def requantize(acc: Tensor, scale: Tensor, bias: Tensor, shift: Tensor, low: int, high: int) -> Tensor:
    """``clamp((acc * scale + bias + (1 << shift - 1)) >> shift, low, high)``; shift 0 adds nothing.

    ``scale`` holds ASM levels, ``shift`` 0..62; all broadcast, int64. Raises `ParameterError` where the
    product could leave 64 bits.
    """
    acc, scale, bias, shift = (t.to(torch.int64) for t in (acc, scale, bias, shift))
    half = torch.where(shift > 0, torch.ones_like(shift) << (shift - 1).clamp(min=0), 0)
    bound = bound_of(acc) * bound_of(scale) + bound_of(bias) + bound_of(half)
    if bound >= 1 << 63:
        raise ParameterError(f"requantize must stay below 2**63 before the shift, not {bound}")
    return ((acc * scale + bias + half) >> shift).clamp(low, high)


def bound_of(values: Tensor) -> int:
    """The largest magnitude in ``values``, whatever their type; 0 if empty.

    In Python's integers: the magnitude of a type's smallest value leaves the type.
    """
    return max(int(values.max()), -int(values.min())) if values.numel() else 0
