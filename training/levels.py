"""Real values to the integers of the hardware, and the scale at which least is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.golden import half_of, look_up
from asm_hw.numbers.level_code import LevelCode

FIT_RATIOS = torch.exp2(torch.linspace(-3.0, 0.25, 105)).tolist()
"""Scales tried by `fit_scale`, as multiples of the one whose largest level is the largest value.

Three octaves: few levels are spread unevenly, and one or two bits clip most of what has long tails.
"""

BINS = 1 << 14
"""Intervals that stand for the values of a long row: errors of quantization differ by less than 1e-6 of them."""

FEW_MIDPOINTS = 16
"""Midpoints up to which comparisons are faster than a search on a CPU; a GPU waits for each of them to begin."""


class NearestLevel(nn.Module):
    """`LevelCode.nearest` on tensors: over the whole magnitude, ties to the smaller one, saturating."""

    magnitudes: Tensor
    midpoints: Tensor

    def __init__(self, code: LevelCode) -> None:
        super().__init__()
        self.code = code
        # Magnitudes have at most 16 bits, so levels and the points halfway between are exact in float32.
        for name, values in zip(("magnitudes", "midpoints"), _steps(code), strict=True):
            self.register_buffer(name, values.clone(), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """The level nearest to each of ``values`` (floating point, any shape), in the same dtype."""
        if not self.code.signed:
            values = values.clamp(min=0)
        size = values.abs()
        if len(self.midpoints) <= FEW_MIDPOINTS and not size.is_cuda:
            # A step at each midpoint below the value.
            level = torch.zeros_like(size)
            for midpoint, step in zip(self.midpoints.tolist(), self.magnitudes.diff().tolist(), strict=True):
                level.add_(size > midpoint, alpha=step)
        else:
            index = torch.bucketize(size.contiguous(), self.midpoints.to(values.dtype), right=False)
            level = self.magnitudes.to(values.dtype)[index]
        # In place, so that the result lies in memory as the values do: convolutions work in that order.
        return values.sign().mul_(level)


@cache
def _steps(code: LevelCode) -> tuple[Tensor, Tensor]:
    """Magnitudes and midpoints of ``code``, float32, made once: there are up to 32,768."""
    magnitudes, midpoints = (torch.tensor(values, dtype=torch.float32) for values in (code.magnitudes, code.midpoints))
    return magnitudes, midpoints


def round_half_up(values: Tensor) -> Tensor:
    """``floor(values + 0.5)``: what the requantize unit does with its ``1 << (s-1)``."""
    return torch.floor(values + 0.5)


def scale_of(log2_scale: Tensor) -> Tensor:
    """``2**log2_scale`` in float32, of a float64 logarithm: one in float32 would leave a scale 21 of its 24 bits."""
    return log2_scale.exp2().float()


def fit_scale(values: Tensor, quantize: Callable[[Tensor], Tensor], top: int) -> Tensor:
    """The scale of each row of ``values`` [rows, n] with the least squared quantization error: [rows].

    ``quantize`` maps ``values / scale`` to integers, the largest of which is ``top``. A row of zeros
    gets a scale of 1. A single long row is looked at as `_binned`.
    """
    counts = torch.ones(())
    if len(values) == 1 and values.shape[1] > 2 * BINS:
        values, counts = _binned(values[0])
    largest = values.abs().amax(1)
    base = torch.where(largest > 0, largest / top, 1.0)
    best, best_error = base, torch.full_like(base, torch.inf)
    for ratio in FIT_RATIOS:
        scale = base * ratio
        error = (quantize(values / scale[:, None]) * scale[:, None] - values).square().mul_(counts).sum(1)
        better = error < best_error
        best, best_error = torch.where(better, scale, best), torch.where(better, error, best_error)
    return torch.where(largest > 0, best, 1.0)


def _binned(values: Tensor) -> tuple[Tensor, Tensor]:
    """(means, counts) [1, bins] of ``values`` [n] in `BINS` equal intervals; the two ends stay as they are."""
    low, high = torch.aminmax(values)
    width = ((high - low) / (BINS - 2)).clamp(min=torch.finfo(values.dtype).tiny)
    inner = ((values - low) / width).to(torch.int64).clamp_(0, BINS - 3) + 1
    index = torch.where(values == low, 0, torch.where(values == high, BINS - 1, inner))
    counts = torch.bincount(index, minlength=BINS)
    sums = torch.bincount(index, weights=values.double(), minlength=BINS)
    filled = counts > 0
    return (sums[filled] / counts[filled]).to(values)[None], counts[filled].to(values)[None]


class Rounding(nn.Module):
    """Rounds to the integers of an activation format: half up, saturated, then to a level if encoded."""

    levels: Tensor | None

    def __init__(self, stored: ActivationFormat) -> None:
        super().__init__()
        self.low, self.top = stored.binary_range
        self.offset = half_of(stored.bits)
        every = torch.arange(self.low, self.top + 1, dtype=torch.float32)
        levels = None if stored.levels is None else NearestLevel(stored.levels)(every)
        self.register_buffer("levels", levels, persistent=False)

    def forward(self, ratio: Tensor) -> Tensor:
        """The integers of ``ratio`` (overwritten), in its dtype."""
        ratio = ratio.add_(self.offset)
        if self.levels is None:
            return ratio.floor_().clamp_(self.low, self.top)
        ratio.clamp_(self.low, self.top + 0.5)
        if self.low:
            ratio.floor_().sub_(self.low)
        index = ratio.to(torch.int32).clamp_(0, self.top - self.low)  # rounds down; NaN becomes some integer
        return look_up(self.levels.to(ratio.dtype), index).add_(ratio, alpha=0)  # and is NaN again
