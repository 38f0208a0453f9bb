"""Parameters of the requantize unit that follows an accumulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from ..encoding import Field, LevelCode, join_fields, place_fields, weight_code
from ..errors import ParameterError, check_flag, check_range
from .multiplier import LIMITS, MultiplierConfig, integer_range

SCALE_BITS = 16
"""Bits of a requantize multiplier, sign included."""

MAX_SHIFT = 31
"""Largest requantize shift: five bits in hardware."""


@dataclass(frozen=True, kw_only=True)
class RequantizeConfig(MultiplierConfig):
    """``y = clamp((acc * scale + bias + (1 << shift - 1)) >> shift)``; shift 0 adds nothing. Combinational.

    The "activation" is the accumulator, ``act_bits`` wide and signed; ``scale`` is an ASM level of
    `SCALE_BITS`, so whatever the array's arithmetic is, this has no multiplier. ``bias`` is as wide as the
    product, ``y`` has ``out_bits``, two's complement if ``out_signed``.
    """

    unit: ClassVar[str] = "requantize"
    act_limits: ClassVar[tuple[int, int]] = LIMITS["acc_bits"]

    weight_bits: int = SCALE_BITS
    act_bits: int = 24
    act_signed: bool = True
    out_bits: int = 8
    out_signed: bool = False

    def __post_init__(self) -> None:
        check_flag("out_signed", self.out_signed)
        check_range("out_bits", self.out_bits, LIMITS["out_bits"][0] + self.out_signed, LIMITS["out_bits"][1])
        super().__post_init__()

    @property
    def scale(self) -> LevelCode:
        """The levels and codes of the multiplier."""
        return weight_code(self.alphabets, SCALE_BITS)

    @property
    def out_range(self) -> tuple[int, int]:
        """Smallest and largest result."""
        return integer_range(self.out_bits, self.out_signed)

    @property
    def bias_bits(self) -> int:
        """Two's complement bits of the bias."""
        return self.p_bits

    @property
    def sum_bits(self) -> int:
        """Bits in which product, bias and half a step never overflow."""
        return max(self.p_bits + 1, MAX_SHIFT + 1) + 1

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """What one output channel needs: scale (packed code), bias (two's complement), shift."""
        widths = (("scale", self.scale.packed_bits), ("bias", self.bias_bits), ("shift", MAX_SHIFT.bit_length()))
        return place_fields(widths)

    def encode(self, channel: Mapping[str, int]) -> int:
        """The word of a channel's scale (a level), bias and shift. Raises `ParameterError` for what it cannot hold."""
        low, high = integer_range(self.bias_bits, signed=True)
        if not low <= channel["bias"] <= high:
            raise ParameterError(f"bias must be from {low} to {high}, not {channel['bias']}")
        parts = {"scale": self.scale.encode(channel["scale"]), "shift": channel["shift"]}
        return join_fields(self.fields, parts | {"bias": channel["bias"] & (1 << self.bias_bits) - 1})
