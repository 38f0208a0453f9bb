"""What follows an accumulator: an ASM multiplier, a bias, a shift and a clamp for each output channel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor

from asm_hw import golden
from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.requantize_format import MAX_SHIFT, SCALE_BITS
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.integers import integer_range
from asm_hw.numbers.level_code import ACT_BITS, LevelCode, weight_levels

MAX_BIAS = 1 << 62
"""Biases are smaller than this, so that 64-bit integers can hold the sum they enter."""

LOGIT_BITS = 32
"""Output bits of a last layer, its accumulators plus bias, signed, unless these need more."""

MAX_BITS = 62
"""Bits of the widest outputs."""


def multiplier_code(alphabets: AlphabetSet) -> LevelCode:
    """The levels that a requantize multiplier of a layer with ``alphabets`` may take."""
    return weight_levels(alphabets, SCALE_BITS)


def encode_tensor(stored: ActivationFormat, values: Tensor) -> Tensor:
    """The nearest level of each of ``values``, int64 in the format's range; themselves where it is binary."""
    if stored.levels is None:
        return values
    return golden.look_up(_nearest_levels(stored), values - stored.binary_range[0])


@cache
def _nearest_levels(stored: ActivationFormat) -> Tensor:
    """The nearest level of every integer of the encoded format ``stored``, smallest integer first."""
    assert stored.levels is not None
    low, high = stored.binary_range
    return torch.tensor([stored.levels.nearest(value) for value in range(low, high + 1)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantize:
    """From accumulators to the integers of the next layer, per output channel.

    ``clamp((acc * scale + (skip * skip_scale << skip_shift) + bias + (1 << shift - 1)) >> shift)`` to
    ``bits`` bits, ``signed`` or not, or to ``limits`` within them, then, with ``encode``, to the nearest
    level of that alphabet set. All are int64 [out], the scales holding 16-bit levels of ``alphabets``;
    without ``skip_scale`` and ``skip_shift`` nothing joins the accumulators. A layer that ends a network
    has scale 1 and shift 0. Raises `ParameterError` on other values.
    """

    alphabets: AlphabetSet
    scale: Tensor
    bias: Tensor
    shift: Tensor
    bits: int
    signed: bool
    encode: AlphabetSet | None = None
    skip_scale: Tensor | None = None
    skip_shift: Tensor | None = None
    limits: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphabets", AlphabetSet.of(self.alphabets))
        if self.encode is not None:
            object.__setattr__(self, "encode", AlphabetSet.of(self.encode))
        if not isinstance(self.signed, bool):
            raise ParameterError(f"requantize signed must be true or false, not {self.signed!r}")
        check_range("requantize bits", self.bits, 1 + self.signed, MAX_BITS if self.encode is None else ACT_BITS[1])
        self._check_tensors()
        self._check_limits()

    @cached_property
    def channels(self) -> list[dict[str, int]]:
        """Scale (a level), bias and shift of each output channel, as `RequantizeFormat` encodes them."""
        rows = zip(self.scale.tolist(), self.bias.tolist(), self.shift.tolist(), strict=True)
        return [{"scale": scale, "bias": bias, "shift": shift} for scale, bias, shift in rows]

    def _check_tensors(self) -> None:
        if (self.skip_scale is None) != (self.skip_shift is None):
            raise ParameterError("requantize skip_scale and skip_shift must be given together")
        for name in ("scale", "bias", "shift", "skip_scale", "skip_shift"):
            values = getattr(self, name)
            if values is None and name.startswith("skip"):
                continue
            if values.dtype != torch.int64 or values.shape != self.scale.shape or values.dim() != 1:
                raise ParameterError(
                    f"requantize {name} must be int64 with one value a channel, not {describe(values)}"
                )
            if name.endswith("scale"):
                check_levels(f"requantize {name}", values, multiplier_code(self.alphabets))
            elif name.endswith("shift"):
                outside = values[(values < 0) | (values > MAX_SHIFT)]
                if outside.numel():
                    raise ParameterError(f"requantize {name} must be from 0 to {MAX_SHIFT}, not {int(outside[0])}")
        wide = self.bias[(self.bias <= -MAX_BIAS) | (self.bias >= MAX_BIAS)]
        if wide.numel():
            raise ParameterError(f"requantize bias must stay below {MAX_BIAS} either way, not {int(wide[0])}")

    def _check_limits(self) -> None:
        if self.limits is None:
            return
        limits, (low, high) = tuple(self.limits), integer_range(self.bits, self.signed)
        object.__setattr__(self, "limits", limits)
        whole = len(limits) == 2 and all(isinstance(v, int) and not isinstance(v, bool) for v in limits)
        if not whole or not low <= limits[0] <= limits[1] <= high:
            raise ParameterError(f"requantize limits must be two integers from {low} to {high}, not {limits!r}")

    @property
    def arity(self) -> int:
        """How many tensors it takes: accumulators, and what joins them."""
        return 1 if self.skip_scale is None else 2

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value after the clamp."""
        return self.limits or integer_range(self.bits, self.signed)

    @property
    def format(self) -> ActivationFormat:
        """How the results are stored."""
        return ActivationFormat(self.bits, self.signed, self.encode)

    def __call__(self, acc: Tensor, skip: Tensor | None = None, *, acc_bound: int | None = None) -> Tensor:
        """The next layer's integers for accumulators ``acc`` [n, out, ...]; int64 of the same shape.

        ``skip``: what joins them, integers of the same shape; given exactly where there is a skip_scale.
        ``acc_bound``: as in `golden.requantize`.
        """
        if (skip is None) != (self.skip_scale is None):
            count = "no" if self.skip_scale is None else "one"
            raise ParameterError(f"requantize must take {count} skip beside its accumulators")
        scale, bias, shift = (self._along(values, acc) for values in (self.scale, self.bias, self.shift))
        joined: tuple[Tensor | None, Tensor | None] = (None, None)
        if self.skip_scale is not None and self.skip_shift is not None:
            joined = (skip, self._along(self.skip_scale << self.skip_shift, acc))
        low, high = self.range
        rounded = golden.requantize(acc, scale, bias, shift, low, high, *joined, acc_bound=acc_bound)
        return encode_tensor(self.format, rounded)

    @staticmethod
    def _along(values: Tensor, acc: Tensor) -> Tensor:
        """One value a channel, to broadcast against ``acc``."""
        return values.view(-1, *[1] * (acc.dim() - 2))


def check_levels(name: str, values: Tensor, code: LevelCode) -> None:
    """Raise `ParameterError` unless all ``values`` are levels of ``code``."""
    wrong = values[~torch.isin(values, _levels(code))]
    if wrong.numel():
        raise ParameterError(
            f"{name} must hold levels of {{{code.alphabets}}} over {code.magnitude_bits} bits, not {int(wrong[0])}"
        )


@cache
def _levels(code: LevelCode) -> Tensor:
    """The levels of ``code``, int64, made once: there are up to 65,535."""
    return torch.tensor(code.levels)


def describe(values: Tensor) -> str:
    """Type and shape of ``values``, for messages."""
    return f"{values.dtype} {list(values.shape)}"
