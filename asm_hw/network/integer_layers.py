"""Layers of integers: what the hardware computes, evaluated by the golden model.

A layer is two steps: `accumulate` (levels times activations, what a MAC array does) and `finish`
(requantize, what follows it). Either may be replaced by an RTL run and compared. Nothing here knows
how a network was trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from asm_hw import golden
from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.integers import signed_bits

from .integer_node import RequantizedNode
from .integer_requantize import check_levels, describe


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLayer(RequantizedNode):
    """Levels ``weight`` [out, ...] times activations, then `requantize`, which may add a second source.

    ``operands``: the formats of weights and of the input; a unit's configuration takes them over
    (``DotConfig(**layer.operands.parameters, lanes=16)``).
    Raises `ParameterError` where a weight is no level.
    """

    operands: ProductFormat
    weight: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.operands.weight.arithmetic != "asm":
            raise ParameterError(
                f"layer {self.name!r} must have arithmetic asm, not {self.operands.weight.arithmetic!r}"
            )
        if self.weight.dtype != torch.int64 or self.weight.dim() != self._dimensions or not self.weight.numel():
            raise ParameterError(
                f"layer {self.name!r} must have an int64 weight of {self._dimensions} dimensions, "
                f"not {describe(self.weight)}"
            )
        check_levels(f"layer {self.name!r} weight", self.weight, self.operands.weight.levels)
        self.check_channels(self.outputs)

    @property
    def _dimensions(self) -> int:
        raise NotImplementedError

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.weight.shape[0]

    @property
    def terms(self) -> int:
        """Products summed in one accumulator."""
        return self.weight[0].numel()

    @cached_property
    def acc_range(self) -> tuple[Tensor, Tensor]:
        """Least and largest accumulators of each output, partial sums included, int64 [out]."""
        low, high = self.operands.activation.range
        rows = self.weight.flatten(1)
        positive, negative = rows.clamp(min=0).sum(1), rows.clamp(max=0).sum(1)
        return positive * low + negative * high, positive * high + negative * low

    @cached_property
    def acc_bound(self) -> int:
        """The largest magnitude that an accumulator can have, partial sums included."""
        low, high = self.acc_range
        return max(-int(low.min()), int(high.max()))

    @property
    def acc_bits(self) -> int:
        """Two's complement bits that no accumulator of these weights overflows, partial sums included."""
        low, high = self.acc_range
        return signed_bits(int(low.min()), int(high.max()))

    def output_format(self, *formats: ActivationFormat) -> ActivationFormat:
        self.check_format(formats[0], self.operands.activation)
        return super().output_format(*formats)

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        shape = self.product_shape(shapes[0])
        self.check_joining(shape, *shapes[1:])
        return shape

    def product_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the accumulators, without batch, for one input of ``shape``; `ParameterError` if it does not fit."""
        raise NotImplementedError

    def accumulate(self, x: Tensor) -> Tensor:
        """Raw accumulators, int64 [n, out, ...], of integer activations ``x`` [n, ...], which are checked."""
        self.check_input(x)
        return self.product(x)

    def product(self, x: Tensor) -> Tensor:
        """`accumulate` of integers that are known to fit."""
        raise NotImplementedError

    def sums(self, x: Tensor) -> Tensor:
        """`product`, in the type that is at hand: floats too where they hold it exactly."""
        return self.product(x)

    def finish(self, acc: Tensor, skip: Tensor | None = None) -> Tensor:
        """The layer's output integers, int64, from its raw accumulators and the second source, if any."""
        return self.requantize(acc, skip)

    def forward(self, *x: Tensor) -> Tensor:
        """`product` of the first source, then `finish`."""
        return self.requantize(self.sums(x[0]), *x[1:], acc_bound=self.acc_bound)

    def check_input(self, x: Tensor) -> None:
        """Raise `ParameterError` unless ``x`` holds integers that the input port can take."""
        self.check_integers(x, self.operands.activation)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerConv2d(IntegerLayer):
    """Convolution: weight [out, in / groups, kh, kw], input [n, in, h, w], zeros as padding."""

    kind: ClassVar[str] = "conv2d"

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
            self.set_pair(name, low)
        check_range("groups", self.groups, 1, 1 << 16)
        if self.outputs % self.groups:
            raise ParameterError(
                f"layer {self.name!r} must have outputs divisible by {self.groups} groups, not {self.outputs}"
            )

    @property
    def _dimensions(self) -> int:
        return 4

    def product_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != channels:
            raise ParameterError(f"layer {self.name!r} must take ({channels}, h, w), not {shape}")
        kernel = tuple(self.weight.shape[2:])
        return (self.outputs, *self.windows(shape, kernel, self.stride, self.padding, self.dilation))

    def product(self, x: Tensor) -> Tensor:
        return self.sums(x).to(torch.int64)

    def sums(self, x: Tensor) -> Tensor:
        form = (self.stride, self.padding, self.dilation, self.groups)
        return golden.conv2d(self.weight, x, *form, self.acc_bound, floats=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLinear(IntegerLayer):
    """Matrix product: weight [out, in], input [n, ...] that flattens to [n, in]."""

    kind: ClassVar[str] = "linear"

    @property
    def _dimensions(self) -> int:
        return 2

    def product_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if math.prod(shape) != self.terms:
            raise ParameterError(f"layer {self.name!r} must take {self.terms} values, not {shape}")
        return (self.outputs,)

    def product(self, x: Tensor) -> Tensor:
        return golden.matvec(self.weight, x.flatten(1), self.acc_bound)
