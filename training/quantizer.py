"""Fake quantizers: values that a float model sees while the hardware sees integers.

Both quantizers round to integers of the hardware (levels of a weight, activation integers), multiply
by a learned scale and pass straight-through gradients. The scale gradient is that of LSQ (Esser et
al., arXiv 1902.08153) with the levels in the place of the uniform grid; the scale is stored as its
logarithm (as in TQT, arXiv 1903.08066): it stays positive and an optimizer step is a relative change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.golden import is_channels_last
from asm_hw.numbers.alphabets import AlphabetSet

from .levels import NearestLevel, Rounding, fit_scale, scale_of

ONE = AlphabetSet((1,))
"""The alphabets of a multiplier that only shifts."""


def fake_quantize(
    values: Tensor, scale: Tensor, quantize: Callable[[Tensor], Tensor], low: int, high: int, gain: float
) -> Tensor:
    """``scale * quantize(values / scale)`` with straight-through gradients (LSQ).

    To ``values``: 1 inside ``low..high`` times the scale, 0 outside. To ``scale``: ``q - values / scale``
    inside, ``low`` or ``high`` outside, times ``gain``. ``scale`` broadcasts against ``values``.
    ``quantize`` may overwrite what it is given.
    """
    return _FakeQuantize.apply(values, scale, quantize, low, high, gain)


class _FakeQuantize(torch.autograd.Function):
    """`fake_quantize` in few passes over memory: that is what it costs beside a convolution."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, quantize: Any, low: int, high: int, gain: float) -> Tensor:
        result = quantize(values * scale.reciprocal()).mul_(scale)
        ctx.save_for_backward(values, result, scale)
        ctx.low, ctx.high, ctx.gain = low, high, gain
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        values, result, scale = ctx.saved_tensors
        grad = grads[0]
        if grad.stride() != values.stride():  # what follows is fast where all lie alike
            grad = torch.empty_like(values).copy_(grad)
        if scale.numel() == 1 and not scale.is_cuda:  # one fused pass; a GPU would be waited for
            step = scale.item()
            inside = torch.ops.aten.hardtanh_backward(grad, values, ctx.low * step, ctx.high * step)
        else:
            inside = torch.where((values > ctx.low * scale) & (values < ctx.high * scale), grad, 0.0)
        to_scale = None
        if ctx.needs_input_grad[1]:
            # grad * (q - v / s) inside and grad * q outside is (grad * result - inside * values) / s.
            total = _sum_product(grad, result, scale) - _sum_product(inside, values, scale)
            to_scale = total / scale * ctx.gain
        return inside, to_scale, None, None, None, None


def _sum_product(a: Tensor, b: Tensor, like: Tensor) -> Tensor:
    """The sum of ``a * b`` in the shape of ``like``; a dot product where the memory of both lies alike."""
    if like.numel() == 1 and a.stride() == b.stride() and a.dtype == b.dtype and _dense(a):
        flat = [t.as_strided((t.numel(),), (1,)) for t in (a, b)]
        return torch.dot(*flat).view(like.shape)
    return (a * b).sum_to_size(like.shape)


def _dense(values: Tensor) -> bool:
    """Whether the elements fill a run of memory without gaps."""
    return values.is_contiguous() or is_channels_last(values)


class WeightQuantizer(nn.Module):
    """Parametrization of a weight [out, ...]: scale times the nearest level, fitted to ``weight``.

    ``per_channel``: one scale for each of the ``out`` channels, else one for the tensor. ``mix`` below 1
    blends in the levels of the full alphabet set: what `anneal` lowers and raises.
    """

    def __init__(self, weight: Tensor, coded: WeightFormat, per_channel: bool = True) -> None:
        super().__init__()
        self.format = coded
        self.mix = 1.0
        self.nearest = NearestLevel(coded.levels).to(weight.device)
        rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
        scale = fit_scale(rows, self.nearest, coded.levels.max)
        self.log2_scale = nn.Parameter(scale.double().log2())
        self.gain = 1 / math.sqrt(rows.shape[1] * coded.levels.max)

    @property
    def scale(self) -> Tensor:
        """What one unit of a level is worth: [out] or [1]."""
        return scale_of(self.log2_scale)

    def forward(self, weight: Tensor) -> Tensor:
        scale = self.scale.view(-1, *[1] * (weight.dim() - 1))
        levels = self.format.levels
        return fake_quantize(weight, scale, self._levels, levels.min, levels.max, self.gain)

    def _levels(self, ratio: Tensor) -> Tensor:
        levels = self.nearest(ratio)
        if self.mix == 1.0:
            return levels
        return levels.mul_(self.mix).add_(self._full(ratio), alpha=1 - self.mix)

    def _full(self, ratio: Tensor) -> Tensor:
        """What the full alphabet set, every integer, makes of ``ratio`` within the same range."""
        levels = self.format.levels
        return ratio.round().clamp_(levels.min, levels.max)

    @torch.no_grad()
    def integers(self, weight: Tensor) -> Tensor:
        """The levels of ``weight``, int64 of its shape."""
        scale = self.scale.view(-1, *[1] * (weight.dim() - 1))
        return self.nearest(weight * scale.reciprocal()).to(torch.int64)


class ActivationQuantizer(nn.Module):
    """Integers of the format ``stored`` times one scale, fitted to ``sample``; unsigned includes ReLU.

    Where it is encoded, the rounded integer goes on to the nearest level, as in the hardware: first
    requantize, then encode. ``scale``: fixed instead of fitted and learned. ``multipliers``: the alphabets
    of requantize multipliers into this tensor, where no layer's weights say them. ``values``: of an image, by default
    as many as an image of the sample has. ``shared``: several tensors have it.
    """

    shared = False

    def __init__(
        self,
        sample: Tensor,
        stored: ActivationFormat,
        scale: float | None = None,
        multipliers: AlphabetSet = ONE,
        values: int | None = None,
    ) -> None:
        super().__init__()
        self.format = stored
        self.multipliers = multipliers
        self.round = Rounding(stored).to(sample.device)
        fitted = self.fit(sample) if scale is None else torch.full((1,), scale, device=sample.device)
        self.log2_scale = nn.Parameter(fitted.double().log2(), requires_grad=scale is None)
        self.gain = 1 / math.sqrt(max(values or sample[0].numel(), 1) * self.round.top)

    def fit(self, sample: Tensor) -> Tensor:
        """The scale [1] with the least squared error on ``sample``."""
        values = sample.detach().reshape(1, -1)
        return fit_scale(values if self.format.signed else values.clamp(min=0), self.round, self.format.range[1])

    @property
    def scale(self) -> Tensor:
        """What one step of the integers is worth: [1]."""
        return scale_of(self.log2_scale)

    def forward(self, values: Tensor) -> Tensor:
        low, high = self.format.range
        return fake_quantize(values, self.scale, self.round, low, high, self.gain)

    @torch.no_grad()
    def integers(self, values: Tensor) -> Tensor:
        """The integers of ``values``, int64 of their shape."""
        return self.round(values * self.scale.reciprocal()).to(torch.int64)


class Narrowing(nn.Module):
    """The top bits of a stored activation, for a layer that takes fewer of them: round, shift, saturate.

    A step is ``2 ** shift`` steps of the stored integers, so that hardware needs no multiplier here.
    """

    shift: Tensor

    def __init__(self, stored: ActivationFormat, shift: int) -> None:
        super().__init__()
        self.format = stored
        self.round = Rounding(stored)
        self.register_buffer("shift", torch.tensor(shift))

    def forward(self, values: Tensor, log2_scale: Tensor) -> Tensor:
        """``values``: of the wide quantizer, whose ``log2_scale`` [1] learns from both."""
        gain = 1 / math.sqrt(max(values[0].numel(), 1) * self.round.top)
        scale = scale_of(log2_scale + self.shift)
        low, high = self.format.range
        return fake_quantize(values, scale, self.round, low, high, gain)


class Gain(nn.Module):
    """A factor [channels] or [1] that `freeze` sets where nothing else can make a multiplier a level.

    A sum of stored tensors or a mean has no weights to move; the float model then takes the factor of
    the hardware instead.
    """

    factor: Tensor

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.register_buffer("factor", torch.ones(channels))

    def forward(self, values: Tensor) -> Tensor:
        # A look at a few numbers saves a pass over the tensor, but a GPU would be waited for.
        if not self.factor.is_cuda and bool((self.factor == 1).all()):
            return values
        return values * self.factor.view(-1, *[1] * (values.dim() - 2))


def anneal(model: nn.Module, share: float) -> None:
    """Blend ``1 - share`` of the full alphabet set into every weight: 0 is all integers, 1 the set itself.

    Training may raise it step by step; `freeze` and `convert` refuse less than 1. Raises `ParameterError` for
    other shares, and for a model without quantizers.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ParameterError(f"share must be a number from 0 to 1, not {share!r}")
    quantizers = [module for module in model.modules() if isinstance(module, WeightQuantizer)]
    if not quantizers:
        raise ParameterError(f"model {type(model).__name__} must be prepared: it has no quantizers")
    for module in quantizers:
        module.mix = float(share)


def check_annealed(model: nn.Module) -> None:
    """Raise `ParameterError` where `anneal` left a share of the full alphabet set in a weight of ``model``."""
    for path, module in model.named_modules():
        if isinstance(module, WeightQuantizer) and module.mix != 1.0:
            layer = path.removesuffix(".parametrizations.weight.0")
            raise ParameterError(f"module {layer!r} must be annealed to a share of 1, not {module.mix:g}")
