"""What the product of a weight and an activation is, and which hardware gives it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from asm_hw.numbers.integers import signed_bits

from .activation_format import ActivationFormat
from .weight_format import WeightFormat


@dataclass(frozen=True)
class ProductFormat:
    """``weight`` times ``activation``, exact."""

    weight: WeightFormat
    activation: ActivationFormat

    @cached_property
    def range(self) -> tuple[int, int]:
        """Smallest and largest product."""
        corners = [w * x for w in self.weight.range for x in self.activation.range]
        return min(corners), max(corners)

    @property
    def bits(self) -> int:
        """Bits of a signed product."""
        return signed_bits(*self.range)

    @property
    def has_bank(self) -> bool:
        """Whether multiples of the activation are computed."""
        return self.weight.arithmetic == "asm" and len(self.weight.alphabets) > 1

    @property
    def is_power_of_two(self) -> bool:
        """Whether both operands are on {1}: then each product of two digits is one bit."""
        return self.weight.arithmetic == "asm" and not self.has_bank and self.activation.is_power_of_two

    @property
    def shifts_weight(self) -> bool:
        """Whether a two's complement weight meets an activation on {1}: then each digit's product is a shift."""
        return self.weight.arithmetic == "exact" and self.activation.is_power_of_two

    @property
    def default_form(self) -> str:
        """The form of decoded weights where none is asked for."""
        one_hot = self.weight.arithmetic == "asm" and not self.has_bank and not self.is_power_of_two
        return "one_hot" if one_hot else "binary"
