"""How a sum becomes a stored tensor: by an ASM level, a bias, a shift and a clamp for each output channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from asm_hw.errors import ParameterError, check_flag, check_range
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.bit_fields import Field, join_fields, place_fields
from asm_hw.numbers.integers import integer_range

from .accumulator_format import ACC_BITS
from .activation_format import ActivationFormat
from .product_format import ProductFormat
from .weight_format import WeightFormat

SCALE_BITS = 16
"""Bits of a requantize multiplier, sign included."""

MAX_SHIFT = 31
"""Largest requantize shift: five bits in hardware."""

OUT_BITS = (1, 32)
"""Least and most bits of a result, in hardware."""


@dataclass(frozen=True)
class RequantizeFormat:
    """``y = clamp((acc * scale + bias + (1 << shift - 1)) >> shift)``; shift 0 adds nothing.

    ``acc`` has ``acc_bits``, signed; ``scale`` is an ASM level of `SCALE_BITS`, so whatever the array's arithmetic
    is, this has no multiplier. ``bias`` is as wide as the product, ``y`` has ``out_bits``, two's complement if
    ``out_signed``. Raises `ParameterError` for widths that hardware does not have.
    """

    alphabets: AlphabetSet
    acc_bits: int
    out_bits: int = 8
    out_signed: bool = False

    def __post_init__(self) -> None:
        check_flag("out_signed", self.out_signed)
        check_range("out_bits", self.out_bits, OUT_BITS[0] + self.out_signed, OUT_BITS[1])
        check_range("acc_bits", self.acc_bits, *ACC_BITS)

    @cached_property
    def scale(self) -> WeightFormat:
        """The multiplier, in packed code."""
        return self.product.weight

    @cached_property
    def product(self) -> ProductFormat:
        """``acc * scale``."""
        # Shifts as one bit each where there is a single alphabet, as in any other datapath.
        scale, acc = WeightFormat(self.alphabets, SCALE_BITS), ActivationFormat(self.acc_bits, signed=True)
        return ProductFormat(replace(scale, form=ProductFormat(scale, acc).default_form), acc)

    @property
    def out_range(self) -> tuple[int, int]:
        """Smallest and largest result."""
        return integer_range(self.out_bits, self.out_signed)

    @property
    def bias_bits(self) -> int:
        """Two's complement bits of the bias."""
        return self.product.bits

    @property
    def sum_bits(self) -> int:
        """Bits in which product, bias and half a step never overflow."""
        return max(self.product.bits + 1, MAX_SHIFT + 1) + 1

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """What one output channel needs: scale (packed code), bias (two's complement), shift."""
        widths = (("scale", self.scale.code_bits), ("bias", self.bias_bits), ("shift", MAX_SHIFT.bit_length()))
        return place_fields(widths)

    def encode(self, channel: Mapping[str, int]) -> int:
        """The word of a channel's scale (a level), bias and shift. Raises `ParameterError` for what it cannot hold."""
        low, high = integer_range(self.bias_bits, signed=True)
        if not low <= channel["bias"] <= high:
            raise ParameterError(f"bias must be from {low} to {high}, not {channel['bias']}")
        parts = {"scale": self.scale.encode(channel["scale"]), "shift": channel["shift"]}
        return join_fields(self.fields, parts | {"bias": channel["bias"] & (1 << self.bias_bits) - 1})
