"""What follows an accumulator: an ASM multiplier, a bias, a shift and a clamp for each output channel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .. import golden
from ..alphabet import AlphabetSet
from ..config import MAX_SHIFT, SCALE_BITS, integer_range
from ..encoding import LevelCode, activation_code, weight_code
from ..errors import ParameterError, check_range

MAX_BIAS = 1 << 62
"""Biases are smaller than this, so that 64-bit integers can hold the sum they enter."""

ACC_BITS = 32
"""Output bits of a last layer: its accumulators plus bias, signed."""


def multiplier_code(alphabets: AlphabetSet) -> LevelCode:
    """The levels that a requantize multiplier of a layer with ``alphabets`` may take."""
    return weight_code(alphabets, SCALE_BITS)


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
                    f"requantize {name} must be int64 with one value a channel, not {describe(values)}"
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
        return integer_range(self.bits, self.signed)

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


def check_levels(name: str, values: Tensor, code: LevelCode) -> None:
    """Raise `ParameterError` unless all ``values`` are levels of ``code``."""
    wrong = values[~torch.isin(values, torch.tensor(code.levels))]
    if wrong.numel():
        raise ParameterError(
            f"{name} must hold levels of {{{code.alphabets}}} over {code.magnitude_bits} bits, not {int(wrong[0])}"
        )


def describe(values: Tensor) -> str:
    """Type and shape of ``values``, for messages."""
    return f"{values.dtype} {list(values.shape)}"
