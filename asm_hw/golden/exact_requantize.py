"""Fast exact requantization of maps: in float64 where value bounds prove it exact, in parts that stay in a cache."""

from __future__ import annotations

import torch
from torch import Tensor

PART_VALUES = 1 << 16
"""Accumulators at a time: the temporary values of more would leave a second-level cache."""


def is_channels_last(values: Tensor) -> bool:
    """Whether ``values`` [n, c, h, w] lie in memory as [n, h, w, c]."""
    return values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last)


def are_maps(
    acc: Tensor, scale: Tensor, offset: Tensor, shift: Tensor, skip: Tensor | None, skip_scale: Tensor | None
) -> bool:
    """Whether shapes and layout are those that `requantize_maps` takes."""
    maps, by_channel = [acc], [scale, offset, shift]
    if skip is not None and skip_scale is not None:
        maps, by_channel = [acc, skip], [*by_channel, skip_scale]
    laid = all(t.shape == acc.shape and is_channels_last(t) for t in maps)
    return laid and all(t.shape == (acc.shape[1], 1, 1) for t in by_channel)


def requantize_maps(
    acc: Tensor,
    scale: Tensor,
    offset: Tensor,
    shift: Tensor,
    low: int,
    high: int,
    skip: Tensor | None,
    skip_scale: Tensor | None,
) -> Tensor:
    """``clamp((acc * scale + skip * skip_scale + offset) >> shift, low, high)``, int64.

    ``acc`` and ``skip``: integers of any type [n, c, h, w], in memory as [n, h, w, c]; the others int64 [c, 1, 1].
    Exact where the magnitudes of all terms together stay below 2**53: each sum is an integer that float64 holds, and
    a factor of 2**-shift changes exponents alone.
    """
    step = (torch.ones_like(shift) << shift).double().reciprocal()
    factor, rest = ((t.double() * step).view(-1) for t in (scale, offset))
    sums = _positions(acc)
    result = torch.empty(sums.shape, dtype=torch.int64)
    joining = None
    if skip is not None and skip_scale is not None:
        joining = _positions(skip), (skip_scale.double() * step).view(-1)
    part = max(1, PART_VALUES // sums.shape[1])
    for begin in range(0, len(sums), part):
        now = slice(begin, begin + part)
        total = torch.addcmul(rest, sums[now].double(), factor)
        if joining is not None:
            total.addcmul_(joining[0][now].double(), joining[1])
        result[now] = total.floor_().clamp_(low, high)
    n, c, h, w = acc.shape
    return result.view(n, h, w, c).permute(0, 3, 1, 2)


def _positions(maps: Tensor) -> Tensor:
    """``maps`` [n, c, h, w] as they lie in memory, [n * h * w, c]."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
