"""How an activation, or any stored tensor, is coded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from asm_hw.errors import check_flag, check_range
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.integers import integer_range
from asm_hw.numbers.level_code import LevelCode, activation_levels

MAX_BITS = 62
"""Any integer that the golden model holds; what units and layers take of them is less."""


@dataclass(frozen=True)
class ActivationFormat:
    """Integers of ``bits`` bits: unsigned, two's complement if ``signed``, or encoded on ``alphabets``.

    A sign is counted in ``bits``; encoded, it stands beside a magnitude. Raises `ParameterError` for other values.
    """

    bits: int
    signed: bool = False
    alphabets: AlphabetSet | None = None

    def __post_init__(self) -> None:
        check_flag("signed", self.signed)
        check_range("activation bits", self.bits, 1, MAX_BITS)

    def __str__(self) -> str:
        return f"({self.bits}, {self.signed}, {self.alphabets!r})"

    @cached_property
    def levels(self) -> LevelCode | None:
        """The levels of an encoded activation and their codes; None for a binary one."""
        if self.alphabets is None:
            return None
        return activation_levels(self.alphabets, self.bits, self.signed)

    @property
    def is_power_of_two(self) -> bool:
        """Whether each digit is a power of two or 0: encoded on {1}."""
        return self.alphabets is not None and len(self.alphabets) == 1

    @property
    def code_bits(self) -> int:
        """Bits of a code word."""
        return self.bits if self.levels is None else self.levels.packed_bits

    @property
    def binary_range(self) -> tuple[int, int]:
        """Smallest and largest integer of so many bits, whatever it is encoded on."""
        return integer_range(self.bits, self.signed)

    @cached_property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value."""
        return self.binary_range if self.levels is None else (self.levels.min, self.levels.max)

    @cached_property
    def table(self) -> list[tuple[int, int]]:
        """(code, value) of every legal code word, by ascending code."""
        if self.levels is not None:
            return self.levels.table()
        low, high = self.range
        return sorted((value & (1 << self.bits) - 1, value) for value in range(low, high + 1))
