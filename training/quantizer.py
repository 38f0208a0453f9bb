"""Fake quantizers: values that a float model sees while the hardware sees integers.

Both quantizers round to integers of the hardware (levels of a weight, activation integers), multiply
by a learned scale and pass straight-through gradients. The scale gradient is that of LSQ (Esser et
al., arXiv 1902.08153) with the levels in the place of the uniform grid; the scale is stored as its
logarithm (as in TQT, arXiv 1903.08066): it stays positive and an optimizer step is a relative change.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..config import MultiplierConfig, integer_range
from ..encoding import LevelCode

FIT_RATIOS = torch.exp2(torch.linspace(-2.0, 0.25, 73)).tolist()
"""Scales tried by `fit_scale`, as multiples of the one whose largest level is the largest value.

Two octaves: few levels are spread unevenly, so the best scale need not be near the top one.
"""


class NearestLevel(nn.Module):
    """`LevelCode.nearest` on tensors: over the whole magnitude, ties to the smaller one, saturating."""

    magnitudes: Tensor
    midpoints: Tensor

    def __init__(self, code: LevelCode) -> None:
        super().__init__()
        self.code = code
        magnitudes = torch.tensor(code.magnitudes, dtype=torch.float32)
        # Magnitudes have at most 16 bits, so levels and the points halfway between are exact floats.
        self.register_buffer("magnitudes", magnitudes, persistent=False)
        self.register_buffer("midpoints", (magnitudes[1:] + magnitudes[:-1]) / 2, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """The level nearest to each of ``values`` (floating point, any shape), in the same dtype."""
        if not self.code.signed:
            values = values.clamp(min=0)
        # right=False puts a value that equals a midpoint below it: the tie rule.
        index = torch.bucketize(values.abs(), self.midpoints.to(values.dtype), right=False)
        return self.magnitudes.to(values.dtype)[index] * values.sign()


def round_half_up(values: Tensor) -> Tensor:
    """``floor(values + 0.5)``: what the requantize unit does with its ``1 << (s-1)``."""
    return torch.floor(values + 0.5)


def fit_scale(values: Tensor, quantize: Callable[[Tensor], Tensor], top: int) -> Tensor:
    """The scale of each row of ``values`` [rows, n] with the least squared quantization error: [rows].

    ``quantize`` maps ``values / scale`` to integers, the largest of which is ``top``. A row of zeros
    gets a scale of 1.
    """
    largest = values.abs().amax(1)
    base = torch.where(largest > 0, largest / top, 1.0)
    best, best_error = base, torch.full_like(base, torch.inf)
    for ratio in FIT_RATIOS:
        scale = base * ratio
        error = (quantize(values / scale[:, None]) * scale[:, None] - values).square().sum(1)
        better = error < best_error
        best, best_error = torch.where(better, scale, best), torch.where(better, error, best_error)
    return torch.where(largest > 0, best, 1.0)


def fake_quantize(
    values: Tensor, scale: Tensor, quantize: Callable[[Tensor], Tensor], low: int, high: int, gain: float
) -> Tensor:
    """``scale * quantize(values / scale)`` with straight-through gradients (LSQ).

    To ``values``: 1 inside ``low..high`` times the scale, 0 outside. To ``scale``: ``q - values / scale``
    inside, ``low`` or ``high`` outside, times ``gain``. ``scale`` broadcasts against ``values``.
    """
    # x + (y - y.detach()) has exactly the value of x and the gradient of y.
    scale = scale.detach() + (scale - scale.detach()) * gain
    ratio = values / scale
    clipped = ratio.clamp(low, high)
    return (quantize(ratio).detach() + (clipped - clipped.detach())) * scale


class WeightQuantizer(nn.Module):
    """Parametrization of a weight [out, ...]: scale times the nearest level, fitted to ``weight``.

    ``per_channel``: one scale for each of the ``out`` channels, else one for the tensor.
    """

    def __init__(self, weight: Tensor, config: MultiplierConfig, per_channel: bool = True) -> None:
        super().__init__()
        self.config = config
        self.nearest = NearestLevel(config.weight).to(weight.device)
        rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
        scale = fit_scale(rows, self.nearest, config.weight.max)
        self.log2_scale = nn.Parameter(scale.log2())
        self.gain = 1 / math.sqrt(rows.shape[1] * config.weight.max)

    @property
    def scale(self) -> Tensor:
        """What one unit of a level is worth: [out] or [1]."""
        return self.log2_scale.exp2()

    def forward(self, weight: Tensor) -> Tensor:
        scale = self.scale.view(-1, *[1] * (weight.dim() - 1))
        code = self.config.weight
        return fake_quantize(weight, scale, self.nearest, code.min, code.max, self.gain)

    @torch.no_grad()
    def integers(self, weight: Tensor) -> Tensor:
        """The levels of ``weight``, int64 of its shape."""
        scale = self.scale.view(-1, *[1] * (weight.dim() - 1))
        return self.nearest(weight / scale).to(torch.int64)


class ActivationQuantizer(nn.Module):
    """Unsigned ``act_bits`` integers times one scale, fitted to ``sample``; below 0 gives 0, like ReLU.

    With ``act_alphabets`` the rounded integer goes on to the nearest level, as in the hardware: first
    requantize, then encode. ``scale``: fixed instead of fitted and learned.
    """

    def __init__(self, sample: Tensor, config: MultiplierConfig, scale: float | None = None) -> None:
        super().__init__()
        self.config = config
        self.nearest = None if config.activation is None else NearestLevel(config.activation).to(sample.device)
        self.top = integer_range(config.act_bits, signed=False)[1]
        fitted = fit_scale(sample.detach().reshape(1, -1), self._round, config.x_range[1])
        start = fitted if scale is None else torch.full_like(fitted, scale)
        self.log2_scale = nn.Parameter(start.log2(), requires_grad=scale is None)
        self.gain = 1 / math.sqrt(sample[0].numel() * self.top)

    @property
    def scale(self) -> Tensor:
        """What one step of the integers is worth: [1]."""
        return self.log2_scale.exp2()

    def _round(self, ratio: Tensor) -> Tensor:
        integers = round_half_up(ratio.clamp(0, self.top))
        return integers if self.nearest is None else self.nearest(integers)

    def forward(self, values: Tensor) -> Tensor:
        return fake_quantize(values, self.scale, self._round, 0, self.config.x_range[1], self.gain)

    @torch.no_grad()
    def integers(self, values: Tensor) -> Tensor:
        """The integers of ``values``, int64 of their shape."""
        return self._round(values / self.scale).to(torch.int64)
