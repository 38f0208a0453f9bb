"""Layers of integers: what the hardware computes, evaluated by the golden model.

A layer is two steps: `accumulate` (levels times activations, what a MAC array does) and `finish`
(requantize, what follows it). Either may be replaced by an RTL run and compared. Nothing here knows
how a network was trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .. import golden
from ..alphabet import AlphabetSet
from ..config import MultiplierConfig, signed_bits
from ..encoding import LevelCode, activation_code, weight_code
from ..errors import ParameterError, check_range

MULTIPLIER_BITS = 16
"""Bits of a requantize multiplier, sign included."""

MAX_SHIFT = 31
"""Largest requantize shift: five bits in hardware."""

MAX_BIAS = 1 << 62
"""Biases are smaller than this, so that 64-bit integers can hold the sum they enter."""

ACC_BITS = 32
"""Output bits of a last layer: its accumulators plus bias, signed."""


def multiplier_code(alphabets: AlphabetSet) -> LevelCode:
    """The levels that a requantize multiplier of a layer with ``alphabets`` may take."""
    return weight_code(alphabets, MULTIPLIER_BITS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantize:
    """From accumulators to the integers of the next layer, per output channel.

    ``clamp((acc * scale + bias + (1 << shift - 1)) >> shift)`` to ``bits`` bits, ``signed`` or not,
    then, with ``encode``, to the nearest level of that alphabet set. ``scale``, ``bias``, ``shift``:
    int64 [out], ``scale`` holding 16-bit levels of ``alphabets``. A layer that ends a network has
    scale 1 and shift 0. Raises `ParameterError` on other values.
    """

    alphabets: AlphabetSet
    scale: Tensor
    bias: Tensor
    shift: Tensor
    bits: int
    signed: bool
    encode: AlphabetSet | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphabets", AlphabetSet.of(self.alphabets))
        if self.encode is not None:
            object.__setattr__(self, "encode", AlphabetSet.of(self.encode))
        if not isinstance(self.signed, bool):
            raise ParameterError(f"requantize signed must be true or false, not {self.signed!r}")
        check_range("requantize bits", self.bits, 1 + self.signed, ACC_BITS if self.encode is None else 16)
        for name in ("scale", "bias", "shift"):
            values = getattr(self, name)
            if values.dtype != torch.int64 or values.shape != self.scale.shape or values.dim() != 1:
                raise ParameterError(
                    f"requantize {name} must be int64 with one value a channel, not {_describe(values)}"
                )
        check_levels("requantize scale", self.scale, multiplier_code(self.alphabets))
        wide = self.bias[(self.bias <= -MAX_BIAS) | (self.bias >= MAX_BIAS)]
        if wide.numel():
            raise ParameterError(f"requantize bias must stay below {MAX_BIAS} either way, not {int(wide[0])}")
        outside = self.shift[(self.shift < 0) | (self.shift > MAX_SHIFT)]
        if outside.numel():
            raise ParameterError(f"requantize shift must be from 0 to {MAX_SHIFT}, not {int(outside[0])}")

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value after the clamp."""
        if self.signed:
            return -(1 << self.bits - 1), (1 << self.bits - 1) - 1
        return 0, (1 << self.bits) - 1

    @cached_property
    def _levels(self) -> Tensor | None:
        """The level of each clamped value, or None where values stay binary."""
        if self.encode is None:
            return None
        code = activation_code(self.encode, self.bits, self.signed)
        low, high = self.range
        return torch.tensor([code.nearest(value) for value in range(low, high + 1)])

    def __call__(self, acc: Tensor) -> Tensor:
        """The next layer's integers for accumulators ``acc`` [n, out, ...]; int64 of the same shape."""
        scale, bias, shift = (t.view(-1, *[1] * (acc.dim() - 2)) for t in (self.scale, self.bias, self.shift))
        low, high = self.range
        values = golden.requantize(acc, scale, bias, shift, low, high)
        return values if self._levels is None else self._levels[values - low]


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLayer:
    """Levels ``weight`` [out, ...] times activations, then `requantize`.

    ``config`` holds the operands: alphabets, ``weight_bits`` and the input's bits, sign and encoding; a
    unit's configuration takes them over (``DotConfig(**layer.config.parameters, lanes=16)``).
    Raises `ParameterError` where a weight is no level.
    """

    name: str
    config: MultiplierConfig
    weight: Tensor
    requantize: Requantize

    def __post_init__(self) -> None:
        if self.config.arithmetic != "asm":
            raise ParameterError(f"layer {self.name!r} must have arithmetic asm, not {self.config.arithmetic!r}")
        if self.weight.dtype != torch.int64 or self.weight.dim() != self._dimensions or not self.weight.numel():
            raise ParameterError(
                f"layer {self.name!r} must have an int64 weight of {self._dimensions} dimensions, "
                f"not {_describe(self.weight)}"
            )
        check_levels(f"layer {self.name!r} weight", self.weight, self.config.weight)
        if len(self.requantize.scale) != self.outputs:
            raise ParameterError(
                f"layer {self.name!r} must requantize {self.outputs} channels, not {len(self.requantize.scale)}"
            )

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
    def acc_bits(self) -> int:
        """Two's complement bits that no accumulator of these weights overflows, partial sums included."""
        low, high = self.config.x_range
        rows = self.weight.flatten(1)
        positive, negative = rows.clamp(min=0).sum(1), rows.clamp(max=0).sum(1)
        return signed_bits(int((positive * low + negative * high).min()), int((positive * high + negative * low).max()))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one output, without batch, for one input of ``shape``; `ParameterError` if it does not fit."""
        raise NotImplementedError

    def accumulate(self, x: Tensor) -> Tensor:
        """Raw accumulators, int64 [n, out, ...], of integer activations ``x`` [n, ...]."""
        raise NotImplementedError

    def finish(self, acc: Tensor) -> Tensor:
        """The layer's output integers, int64, from its raw accumulators."""
        return self.requantize(acc)

    def forward(self, x: Tensor) -> Tensor:
        """`accumulate`, then `finish`."""
        return self.finish(self.accumulate(x))

    def check_input(self, x: Tensor) -> None:
        """Raise `ParameterError` unless ``x`` holds integers that the input port can take."""
        low, high = self.config.x_range
        if x.is_floating_point():
            raise ParameterError(f"layer {self.name!r} must take integers, not {x.dtype}")
        outside = x[(x < low) | (x > high)]
        if outside.numel():
            raise ParameterError(f"layer {self.name!r} must take integers from {low} to {high}, not {int(outside[0])}")
        if self.config.activation is not None:
            check_levels(f"layer {self.name!r} input", x, self.config.activation)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerConv2d(IntegerLayer):
    """Convolution: weight [out, in / groups, kh, kw], input [n, in, h, w], zeros as padding."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low in (("stride", 1), ("padding", 0)):
            pair = tuple(getattr(self, name))
            if len(pair) != 2:
                raise ParameterError(f"layer {self.name!r} must have two values of {name}, not {pair!r}")
            object.__setattr__(self, name, tuple(check_range(name, value, low, 1 << 16) for value in pair))
        check_range("groups", self.groups, 1, 1 << 16)
        if self.outputs % self.groups:
            raise ParameterError(
                f"layer {self.name!r} must have outputs divisible by {self.groups} groups, not {self.outputs}"
            )

    @property
    def _dimensions(self) -> int:
        return 4

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != channels:
            raise ParameterError(f"layer {self.name!r} must take ({channels}, h, w), not {shape}")
        sizes = zip(shape[1:], self.weight.shape[2:], self.stride, self.padding, strict=True)
        out = [(size + 2 * padding - kernel) // stride + 1 for size, kernel, stride, padding in sizes]
        if min(out) < 1:
            raise ParameterError(f"layer {self.name!r} must fit into its input, not {shape}")
        return (self.outputs, *out)

    def accumulate(self, x: Tensor) -> Tensor:
        self.check_input(x)
        return golden.conv2d(self.weight, x, self.stride, self.padding, groups=self.groups)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLinear(IntegerLayer):
    """Matrix product: weight [out, in], input [n, ...] that flattens to [n, in]."""

    @property
    def _dimensions(self) -> int:
        return 2

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if math.prod(shape) != self.terms:
            raise ParameterError(f"layer {self.name!r} must take {self.terms} values, not {shape}")
        return (self.outputs,)

    def accumulate(self, x: Tensor) -> Tensor:
        self.check_input(x)
        return golden.matvec(self.weight, x.flatten(1))


def check_levels(name: str, values: Tensor, code: LevelCode) -> None:
    """Raise `ParameterError` unless all ``values`` are levels of ``code``."""
    wrong = values[~torch.isin(values, torch.tensor(code.levels))]
    if wrong.numel():
        raise ParameterError(
            f"{name} must hold levels of {{{code.alphabets}}} over {code.magnitude_bits} bits, not {int(wrong[0])}"
        )


def _describe(values: Tensor) -> str:
    return f"{values.dtype} {list(values.shape)}"
