"""What the product of a weight and an activation is, and which hardware gives it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from asm_hw.errors import check_flag, check_range
from asm_hw.numbers.alphabets import AlphabetSet, AlphabetsLike, named_alphabets
from asm_hw.numbers.integers import signed_bits
from asm_hw.numbers.level_code import ACT_BITS, WEIGHT_BITS

from .activation_format import ActivationFormat
from .weight_format import WeightFormat


@dataclass(frozen=True)
class ProductFormat:
    """``weight`` times ``activation``, exact."""

    weight: WeightFormat
    activation: ActivationFormat

    @classmethod
    def of(
        cls,
        alphabets: AlphabetsLike = (1, 3),
        weight_bits: int = 5,
        act_bits: int = 8,
        act_signed: bool = False,
        act_alphabets: AlphabetsLike | None = None,
    ) -> ProductFormat:
        """ASM weights times activations, as units name their parameters. Raises `ParameterError` for wrong ones."""
        check_range("weight_bits", weight_bits, *WEIGHT_BITS)
        check_flag("act_signed", act_signed)
        encoded = None if act_alphabets is None else named_alphabets("act_alphabets", act_alphabets)
        check_range("act_bits", act_bits, ACT_BITS[0] + (act_signed and encoded is not None), ACT_BITS[1])
        weight = WeightFormat(AlphabetSet.of(alphabets), weight_bits)
        return cls(weight, ActivationFormat(act_bits, act_signed, encoded))

    @property
    def parameters(self) -> dict[str, Any]:
        """What `of` takes, as plain JSON values; a unit's configuration takes them over."""
        weight, activation = self.weight, self.activation
        return {
            "alphabets": list(weight.alphabets),
            "weight_bits": weight.bits,
            "act_bits": activation.bits,
            "act_signed": activation.signed,
            "act_alphabets": None if activation.alphabets is None else list(activation.alphabets),
        }

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
        return len(self.weight.alphabets if self.weight.arithmetic == "asm" else self.multiples) > 1

    @cached_property
    def multiples(self) -> AlphabetSet:
        """The odd multiples of the activation that the lanes take."""
        if self.weight.arithmetic == "asm":
            return AlphabetSet(max((digit.multiples for digit in self.weight.levels.digits), key=len))
        return AlphabetSet((1, 3) if any(3 in digit.multiples for digit in self.weight.digits) else (1,))

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
