"""Networks of integers: a chain of integer layers, with the sizes that a memory and a schedule need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from ..config import integer_range
from ..errors import ParameterError, check_range
from .layers import IntegerLayer

FLOAT_BITS = 32
"""Bits of a weight before quantization."""


@dataclass(frozen=True)
class LayerSize:
    """What a layer costs for one input: multiply-accumulates, and bits of its weights in three storages."""

    name: str
    output_shape: tuple[int, ...]
    macs: int
    weights: int
    float_bits: int
    binary_bits: int
    packed_bits: int


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork:
    """Layers in a chain, each taking the integers that the one before gives.

    ``input_shape``: of one input, without batch. ``input_scale`` and ``output_scale``: what a step of the
    input and of the output is worth outside; the integers do not depend on them. Raises
    `ParameterError` where shapes or number formats of neighbours do not meet.
    """

    layers: tuple[IntegerLayer, ...]
    input_shape: tuple[int, ...]
    input_scale: float
    output_scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        if not self.layers:
            raise ParameterError("layers must name at least one layer, not none")
        for name in ("input_scale", "output_scale"):
            value = getattr(self, name)
            if not isinstance(value, float | int) or not 0 < value < math.inf:
                raise ParameterError(f"{name} must be a number above 0, not {value!r}")
        for size in self.input_shape:
            check_range("input_shape", size, 1, 1 << 16)
        for before, after in pairwise(self.layers):
            out, config = before.requantize, after.config
            given = (out.bits, out.signed, out.encode)
            taken = (config.act_bits, config.act_signed, config.act_alphabets)
            if given != taken:
                raise ParameterError(
                    f"layer {before.name!r} must give the (bits, signed, alphabets) {taken} "
                    f"that layer {after.name!r} takes, not {given}"
                )
        assert self.sizes  # its shapes are refused here rather than at first use

    def forward(self, x: Tensor) -> Tensor:
        """The last layer's integers, int64 [n, out], of integer inputs ``x`` [n, *input_shape]."""
        if tuple(x.shape[1:]) != self.input_shape:
            raise ParameterError(f"inputs must have shape {self.input_shape} after the batch, not {tuple(x.shape[1:])}")
        for layer in self.layers:
            x = layer.forward(x)
        return x

    __call__ = forward

    def quantize_input(self, values: Tensor) -> Tensor:
        """The integers, int64, of real inputs: scaled, rounded half up, saturated, encoded where the layer asks."""
        config = self.layers[0].config
        low, high = integer_range(config.act_bits, config.act_signed)
        x = torch.floor(values / self.input_scale + 0.5).clamp(low, high).to(torch.int64)
        if config.activation is None:
            return x
        levels = torch.tensor([config.activation.nearest(value) for value in range(low, high + 1)])
        return levels[x - low]

    @cached_property
    def sizes(self) -> tuple[LayerSize, ...]:
        """The cost of every layer, in order."""
        sizes, shape = [], self.input_shape
        for layer in self.layers:
            shape = layer.output_shape(shape)
            weights = layer.weight.numel()
            sizes.append(
                LayerSize(
                    name=layer.name,
                    output_shape=shape,
                    macs=math.prod(shape) * layer.terms,
                    weights=weights,
                    float_bits=FLOAT_BITS * weights,
                    binary_bits=layer.config.weight_bits * weights,
                    packed_bits=layer.config.weight.packed_bits * weights,
                )
            )
        return tuple(sizes)
