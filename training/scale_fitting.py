"""On which values the scales of stored tensors are fitted, and how those of narrower readers follow."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from asm_hw.formats.activation_format import ActivationFormat

from .levels import scale_of
from .quantizer import ActivationQuantizer
from .tensor_shapes import evaluating

FIT_VALUES, FIT_IMAGES = 1 << 20, 32
"""Values of a tensor that its scale is fitted on, about, and of how many images at least, both evenly chosen."""


def widest_format(formats: list[ActivationFormat]) -> tuple[ActivationFormat, list[ActivationFormat]]:
    """What is stored, and the formats that readers narrow it to: none if all agree."""
    distinct = list(dict.fromkeys(formats))
    if len(distinct) == 1:
        return distinct[0], []
    stored = ActivationFormat(max(f.bits for f in distinct), distinct[0].signed)
    return stored, [f for f in distinct if f != stored]


@torch.no_grad()
def fit_narrow(
    quantizer: ActivationQuantizer, sample: Tensor, formats: list[ActivationFormat]
) -> dict[ActivationFormat, int]:
    """Shifts of narrower ``formats``; unless fixed, the scale moves to where the narrowest fits best.

    The narrowest has the largest error, so its own best scale is taken, divided by the power of two with
    the least error of the wide format.
    """
    if not formats:
        return {}
    values = sample.detach().reshape(1, -1)
    ordered = sorted(formats, key=lambda f: (f.bits, f.alphabets is None))
    if quantizer.log2_scale.requires_grad:
        best = ActivationQuantizer(sample, ordered[0]).log2_scale.detach()
        candidates = [best - k for k in range(quantizer.format.bits + 1)]
        errors = [_error(quantizer, values, c) for c in candidates]
        quantizer.log2_scale.copy_(candidates[errors.index(min(errors))])
    shifts = {}
    for stored in ordered:
        reader = ActivationQuantizer(sample, stored, 1.0)
        errors = [_error(reader, values, quantizer.log2_scale + k) for k in range(quantizer.format.bits + 1)]
        shifts[stored] = errors.index(min(errors))
    return shifts


def _error(quantizer: ActivationQuantizer, values: Tensor, log2_scale: Tensor) -> float:
    """The squared error of ``values`` at a scale."""
    scale = scale_of(log2_scale)
    if not quantizer.format.signed:
        values = values.clamp(min=0)
    return (quantizer.round(values / scale) * scale - values).square().sum().item()


def subsample(values: Tensor) -> Tensor:
    """Some of ``values`` [n, ...], about `FIT_VALUES`: whole images, of large ones every second place, third, ..."""
    images = max(FIT_IMAGES, FIT_VALUES // max(1, values[0].numel()))
    kept = values[:: max(1, len(values) // images)]
    step = max(1, math.isqrt(kept.numel() // FIT_VALUES)) if values.dim() == 4 else 1
    return kept[:, :, ::step, ::step].contiguous() if step > 1 else kept.contiguous()


class _Sampler(Interpreter):
    """Keeps some values of chosen nodes while a model runs."""

    def __init__(self, model: GraphModule, wanted: list[Node]) -> None:
        super().__init__(model)
        self.wanted = set(wanted)
        self.kept: dict[Node, Tensor] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if n in self.wanted:
            self.kept[n] = subsample(result).clone()
        return result


@torch.no_grad()
def sample_values(model: GraphModule, sample: Tensor, wanted: list[Node]) -> dict[Node, Tensor]:
    """Values of the ``wanted`` tensors when ``model`` evaluates ``sample``."""
    sampler = _Sampler(model, wanted)
    with evaluating(model):
        sampler.run(sample)
    return sampler.kept
