"""How a weight is coded: on an alphabet set, exactly, or as a sign alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from asm_hw.errors import check_choice, check_range
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.bit_fields import Field, fields_width
from asm_hw.numbers.decoded_weights import encode_one_hot, one_hot_fields
from asm_hw.numbers.integers import integer_range
from asm_hw.numbers.level_code import WEIGHT_BITS, LevelCode, weight_levels
from asm_hw.numbers.weight_digits import WeightDigit, booth_form, digit_fields, encode_digits, weight_digits

ARITHMETIC = ("asm", "exact", "bare")
WEIGHT_CODES = ("packed", "fields", "decoded")
WEIGHT_FORMS = {"asm": ("one_hot", "binary"), "exact": ("binary", "booth", "pairs"), "bare": ("binary",)}
"""How a decoded weight can be held, by arithmetic; an exact one also as digits of given widths, such as 1_2_2."""


@dataclass(frozen=True)
class WeightFormat:
    """Weights of ``bits`` bits, sign included.

    Attributes
    ----------
    alphabets : of an ``asm`` weight
    arithmetic : ``asm`` (sign and magnitude on the levels of ``alphabets``), ``exact`` (two's complement) or
        ``bare`` (one sign bit: +1 or -1)
    code : what a port or a memory holds: ``packed`` codes, ``fields`` (asm), or ``decoded`` weights in their ``form``
    form : how a decoded weight is held: ``one_hot`` (shifts as one bit each, asm), ``binary``; of exact weights
        ``pairs`` (binary, two lanes add their activations once), ``booth`` (radix-4 digits) or widths of digits
        (`asm_hw.numbers.weight_digits`), as one bit for each multiple
    symmetric : an exact weight has no smallest value of its own: hardware that holds sign and magnitude

    Raises `ParameterError` for other values.
    """

    alphabets: AlphabetSet
    bits: int
    arithmetic: str = "asm"
    code: str = "packed"
    form: str = "binary"
    symmetric: bool = False

    def __post_init__(self) -> None:
        check_range("weight_bits", self.bits, *WEIGHT_BITS)
        check_choice("arithmetic", self.arithmetic, ARITHMETIC)
        check_choice("weight_code", self.code, WEIGHT_CODES)
        if self.arithmetic == "exact" and self.form not in WEIGHT_FORMS["exact"]:
            weight_digits(self.form, self.bits)  # raises for others than digits of this weight
        else:
            check_choice("weight_form", self.form, WEIGHT_FORMS[self.arithmetic])

    @cached_property
    def levels(self) -> LevelCode:
        """The levels of an asm weight and their codes."""
        return weight_levels(self.alphabets, self.bits)

    @property
    def digits(self) -> tuple[WeightDigit, ...]:
        """The digits of an exact weight that is held as such; none where it is binary."""
        if self.arithmetic != "exact" or self.form in ("binary", "pairs"):
            return ()
        return weight_digits(booth_form(self.bits) if self.form == "booth" else self.form, self.bits)

    @property
    def code_bits(self) -> int:
        """Bits of a code word."""
        return fields_width(self.code_fields)

    @cached_property
    def code_fields(self) -> tuple[Field, ...]:
        """The fields of a code word."""
        if self.code == "decoded":  # the port takes what the weight registers hold
            return self.form_fields
        if self.arithmetic == "asm":
            return self.levels.packed_fields if self.code == "packed" else self.levels.fields
        return (Field("sign", 0, 1),) if self.arithmetic == "bare" else (Field("value", 0, self.bits),)

    @cached_property
    def form_fields(self) -> tuple[Field, ...]:
        """The fields of a decoded weight."""
        if self.form == "one_hot":
            return one_hot_fields(self.levels)
        if self.digits:
            return digit_fields(self.digits)
        return self.levels.fields if self.arithmetic == "asm" else replace(self, code="packed").code_fields

    def encode(self, value: int) -> int:
        """The code word of a weight. Raises `ParameterError` for what is no level of an asm weight."""
        if self.arithmetic == "bare":  # +1 or -1: the sign is all there is
            return int(value < 0)
        if self.code == "decoded" and self.form == "one_hot":
            return encode_one_hot(self.levels, value)
        if self.code == "decoded" and self.digits:
            return encode_digits(self.digits, value)
        if self.arithmetic == "exact":
            return value & (1 << self.bits) - 1
        return self.levels.encode(value) if self.code == "packed" else self.levels.encode_fields(value)

    @cached_property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value."""
        if self.arithmetic == "bare":
            return -1, 1
        if self.arithmetic == "asm":
            return self.levels.min, self.levels.max
        low, high = integer_range(self.bits, signed=True)
        return (-high if self.symmetric else low), high

    @property
    def values(self) -> Sequence[int]:
        """Every value, ascending."""
        if self.arithmetic == "asm":
            return self.levels.levels
        low, high = self.range
        return (low, high) if self.arithmetic == "bare" else range(low, high + 1)

    @cached_property
    def table(self) -> list[tuple[int, int]]:
        """(code, value) of every legal code word, by ascending code."""
        return sorted((self.encode(value), value) for value in self.values)
