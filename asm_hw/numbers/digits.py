"""One digit of a magnitude: its values, and the two ways to store it. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .alphabets import AlphabetSet
from .integers import ceil_log2


@dataclass(frozen=True)
class Digit:
    """One digit of a magnitude: ``bits`` wide, worth ``value << position``."""

    alphabets: AlphabetSet
    bits: int
    position: int

    @cached_property
    def values(self) -> tuple[int, ...]:
        """Digit values, ascending; their index is the packed code."""
        return self.alphabets.digit_values(self.bits)

    @property
    def index_bits(self) -> int:
        """Bits of the packed digit."""
        return ceil_log2(len(self.values))

    @property
    def multiples(self) -> tuple[int, ...]:
        """The alphabets that fit this digit; the alphabet field counts through them."""
        return self.alphabets.usable(self.bits)

    @property
    def alphabet_bits(self) -> int:
        """Bits of the alphabet field; 0 where only 1 fits."""
        return ceil_log2(len(self.multiples))

    @property
    def shift_bits(self) -> int:
        """Bits of the shift field; 0 for a one-bit digit."""
        return ceil_log2(self.bits)

    @property
    def fields_bits(self) -> int:
        """Bits of shift, alphabet index and zero flag."""
        return self.shift_bits + self.alphabet_bits + 1

    @property
    def packed_words(self) -> list[tuple[int, int]]:
        """(index, value) of every index: a reserved one is the largest value (docs/decisions/0004)."""
        last = len(self.values) - 1
        return [(index, self.values[min(index, last)]) for index in range(1 << self.index_bits)]

    @property
    def fields_words(self) -> list[tuple[int, int]]:
        """(fields, value) of every legal digit; a zero flag makes 0 of whatever stands beside it."""
        flag = 1 << self.fields_bits - 1
        splits = ((self.split(value), value) for value in self.values if value)
        legal = [(shift | alphabet << self.shift_bits, value) for (alphabet, shift), value in splits]
        return legal + [(flag | rest, 0) for rest in range(flag)]

    def split(self, value: int) -> tuple[int, int]:
        """The (alphabet index, shift) of a non-zero digit value."""
        shift = (value & -value).bit_length() - 1
        return self.multiples.index(value >> shift), shift
