"""Integer arithmetic of the units: multiply, accumulate, mac, dot, requantize.

Values, not codes: weights are levels, activations are integers. Everything is int64; no Amaranth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asm_hw.errors import ParameterError

from .exact_requantize import are_maps, is_channels_last, requantize_maps

FLOAT64_EXACT = 1 << 53
"""Below this float64 holds every integer."""


def multiply(w: Tensor, x: Tensor) -> Tensor:
    """The exact product of levels and activations, broadcast, int64."""
    return w.to(torch.int64) * x.to(torch.int64)


def fit(total: Tensor, acc_bits: int, overflow: str = "wrap") -> Tensor:
    """``total`` (int64) brought into ``acc_bits`` (2..62) signed bits: wrapped or saturated.

    The same rule for one integer is `AccumulatorFormat.fit`, in gateware ``_overflow`` of `asm_hw/gateware/adders.py`.
    """
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


def requantize(
    acc: Tensor,
    scale: Tensor,
    bias: Tensor,
    shift: Tensor,
    low: int,
    high: int,
    skip: Tensor | None = None,
    skip_scale: Tensor | None = None,
    acc_bound: int | None = None,
) -> Tensor:
    """``clamp((acc * scale + skip * skip_scale + bias + (1 << shift - 1)) >> shift, low, high)``.

    A shift of 0 adds no half. ``acc`` and ``skip``: integers, of float types too; ``scale`` and ``skip_scale`` hold ASM
    levels, the latter shifted left; ``shift`` 0..62; all broadcast, the result is int64. ``acc_bound``: the largest
    magnitude that ``acc`` may have, where it is known: finding it looks at every value. Raises `ParameterError` where
    the sum could leave 64 bits.
    """
    scale, bias, shift = (t.to(torch.int64) for t in (scale, bias, shift))
    offset = bias + torch.where(shift > 0, torch.ones_like(shift) << (shift - 1).clamp(min=0), 0)
    rest = bound_of(bias) + bound_of(offset)
    if skip is not None and skip_scale is not None:
        rest += bound_of(skip) * bound_of(skip_scale)
    bound = rest + bound_of(scale) * (bound_of(acc) if acc_bound is None else acc_bound)
    if bound >= 1 << 63 and acc_bound is not None:  # what may come is too large: look at what has come
        bound = rest + bound_of(scale) * bound_of(acc)
    if bound >= 1 << 63:
        raise ParameterError(f"requantize must stay below 2**63 before the shift, not {bound}")
    if bound < FLOAT64_EXACT and are_maps(acc, scale, offset, shift, skip, skip_scale):
        return requantize_maps(acc, scale, offset, shift, low, high, skip, skip_scale)
    total = torch.addcmul(offset, acc.to(torch.int64), scale)
    if skip is not None and skip_scale is not None:
        total.addcmul_(skip.to(torch.int64), skip_scale.to(torch.int64))
    return (total >> shift).clamp_(low, high)


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """``table[index]`` for ``table`` [n] and ``index`` (int32 or int64, any shape), in memory as the index lies.

    In the order of memory, which is several times faster than PyTorch's indexing.
    """
    last = is_channels_last(index)
    ordered = index.permute(0, 2, 3, 1) if last else index
    found = table.index_select(0, ordered.reshape(-1)).view(ordered.shape)
    return found.permute(0, 3, 1, 2) if last else found


def bound_of(values: Tensor) -> int:
    """The largest magnitude in ``values``, whatever their type; 0 if empty.

    In Python's integers: the magnitude of a type's smallest value leaves the type.
    """
    if not values.numel():
        return 0
    if is_channels_last(values):
        values = values.permute(0, 2, 3, 1)  # in the order of memory: aminmax would copy it first
    low, high = torch.aminmax(values)
    return max(int(high), -int(low))
