"""Levels and codes: what a magnitude cut into alphabet digits can represent, and how it is stored.

The only definition of levels, nearest-level choice, packed codes and fields. Standard library only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise, product

from asm_hw.errors import ParameterError, check_range

from .alphabets import QUARTET_BITS, AlphabetSet
from .bit_fields import Field, fields_width, join_fields, place_fields, split_fields
from .digits import Digit

WEIGHT_BITS = (2, 16)
"""Least and most bits of a weight, sign included."""

ACT_BITS = (1, 16)
"""Least and most bits of an activation."""


@dataclass(frozen=True)
class LevelCode:
    """The levels of an alphabet set over ``magnitude_bits`` bits, with or without a sign.

    Weights are signed with ``magnitude_bits = weight_bits - 1``; encoded activations are either.
    Code words hold the sign on top, then the digits, top digit first.
    """

    alphabets: AlphabetSet
    magnitude_bits: int
    signed: bool

    def __post_init__(self) -> None:
        check_range("magnitude_bits", self.magnitude_bits, 1, 16)

    @cached_property
    def digits(self) -> tuple[Digit, ...]:
        """Digits, least significant first; the last takes the bits that are left."""
        return tuple(
            Digit(self.alphabets, min(QUARTET_BITS, self.magnitude_bits - low), low)
            for low in range(0, self.magnitude_bits, QUARTET_BITS)
        )

    @cached_property
    def magnitudes(self) -> tuple[int, ...]:
        """All representable magnitudes, ascending, 0 included."""
        choices = product(*(digit.values for digit in self.digits))
        return tuple(sorted(sum(v << d.position for v, d in zip(c, self.digits, strict=True)) for c in choices))

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """All representable values, ascending."""
        negative = tuple(-m for m in reversed(self.magnitudes) if m) if self.signed else ()
        return negative + self.magnitudes

    @cached_property
    def _members(self) -> frozenset[int]:
        return frozenset(self.levels)

    def __contains__(self, value: int) -> bool:
        return value in self._members

    @property
    def max(self) -> int:
        """The largest level."""
        return self.magnitudes[-1]

    @property
    def min(self) -> int:
        """The smallest level: 0 if unsigned."""
        return -self.max if self.signed else 0

    @cached_property
    def midpoints(self) -> tuple[float, ...]:
        """The points halfway between magnitudes that follow each other, exact floats, ascending.

        The nearest magnitude is the one at the number of midpoints *below* a value: one that equals a midpoint stays
        below it. This is the rule of ties for every search (`bisect_left`, ``searchsorted`` and ``bucketize`` from the
        left).
        """
        return tuple((low + high) / 2 for low, high in pairwise(self.magnitudes))

    def nearest(self, value: float) -> int:
        """The level nearest to ``value``; a tie goes to the smaller magnitude, the range saturates."""
        if value < 0 and not self.signed:
            return 0
        magnitude = self.magnitudes[bisect_left(self.midpoints, abs(value))]
        return -magnitude if value < 0 else magnitude

    # Packed code words: what memories hold.

    @cached_property
    def packed_bits(self) -> int:
        """Width of a packed code word."""
        return int(self.signed) + sum(digit.index_bits for digit in self.digits)

    @cached_property
    def packed_fields(self) -> tuple[Field, ...]:
        """Where the sign and each digit index sit in a packed code word, least significant first."""
        widths = [(f"digit{i}", digit.index_bits) for i, digit in enumerate(self.digits)]
        return place_fields([*widths, ("sign", int(self.signed))])

    def encode(self, value: int) -> int:
        """The packed code of a level. Raises `ParameterError` if ``value`` is no level."""
        parts = {f"digit{i}": d.values.index(v) for i, (d, v) in enumerate(self.cut(value))}
        return join_fields(self.packed_fields, parts | {"sign": int(value < 0)})

    def decode(self, code: int) -> int:
        """The level of a packed code. A code with an index past its digit's values is refused."""
        parts = split_fields(self.packed_fields, code)
        magnitude = 0
        for i, digit in enumerate(self.digits):
            index = parts[f"digit{i}"]
            if index >= len(digit.values):
                raise ParameterError(f"code {code:#x} must hold digit {i} below {len(digit.values)}, not {index}")
            magnitude += digit.values[index] << digit.position
        return -magnitude if parts.get("sign") else magnitude

    # Fields: what the datapath uses.

    @cached_property
    def fields_bits(self) -> int:
        """Width of a fields code word."""
        return fields_width(self.fields)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Where sign and, per digit, shift, alphabet index and zero flag sit; absent if 0 bits wide."""
        widths = []
        for i, digit in enumerate(self.digits):
            widths += [(f"shift{i}", digit.shift_bits), (f"alphabet{i}", digit.alphabet_bits), (f"zero{i}", 1)]
        return place_fields([*widths, ("sign", int(self.signed))])

    def encode_fields(self, value: int) -> int:
        """The fields code of a level. A zero digit has its flag set and the rest clear."""
        parts = {"sign": int(value < 0)}
        for i, (digit, v) in enumerate(self.cut(value)):
            alphabet, shift = digit.split(v) if v else (0, 0)
            parts |= {f"zero{i}": int(v == 0), f"alphabet{i}": alphabet, f"shift{i}": shift}
        return join_fields(self.fields, parts)

    def decode_fields(self, code: int) -> int:
        """The level of a fields code. A digit value that does not fit its digit is refused."""
        parts = split_fields(self.fields, code)
        magnitude = 0
        for i, digit in enumerate(self.digits):
            index, shift = parts.get(f"alphabet{i}", 0), parts.get(f"shift{i}", 0)
            value = digit.multiples[index] << shift if index < len(digit.multiples) else -1
            if not parts[f"zero{i}"]:
                if value not in digit.values:
                    raise ParameterError(
                        f"code {code:#x} must hold a value of digit {i}, not alphabet {index} << {shift}"
                    )
                magnitude += value << digit.position
        return -magnitude if parts.get("sign") else magnitude

    def table(self, storage: str = "packed") -> list[tuple[int, int]]:
        """(code, value) of every level, by ascending code."""
        encode = self.encode if storage == "packed" else self.encode_fields
        return sorted((encode(value), value) for value in self.levels)

    def digit_words(self, storage: str = "packed") -> tuple[tuple[tuple[int, int], ...], ...]:
        """By digit, least significant first: (code, magnitude), both in place, of all that hardware reads.

        That is more than the encoder emits: see `Digit.packed_words` and `Digit.fields_words`. A sign
        adds its bit to any sum of them, and negates the value.
        """
        words, lsb = [], 0
        for digit in self.digits:
            read = digit.packed_words if storage == "packed" else digit.fields_words
            words.append(tuple((code << lsb, value << digit.position) for code, value in read))
            lsb += digit.index_bits if storage == "packed" else digit.fields_bits
        return tuple(words)

    def cut(self, value: int) -> Iterator[tuple[Digit, int]]:
        """Each digit with its value, least significant first. Raises `ParameterError` if ``value`` is no level."""
        if value not in self:
            raise ParameterError(
                f"value {value} must be a level of alphabets {{{self.alphabets}}}: nearest is {self.nearest(value)}"
            )
        # A level may be cut in only one way: each digit value is below 2**bits of its digit.
        magnitude = abs(value)
        for digit in self.digits:
            yield digit, magnitude >> digit.position & (1 << digit.bits) - 1


@lru_cache(32, typed=True)  # a set of 16 bits has up to 65,535 levels
def weight_levels(alphabets: AlphabetSet, weight_bits: int) -> LevelCode:
    """The code of ``weight_bits``-bit sign-magnitude weights (`WEIGHT_BITS`)."""
    return LevelCode(alphabets, check_range("weight_bits", weight_bits, *WEIGHT_BITS) - 1, signed=True)


def activation_levels(alphabets: AlphabetSet, act_bits: int, signed: bool) -> LevelCode:
    """The code of encoded activations; a sign, where there is one, is counted in ``act_bits``."""
    check_range("act_bits", act_bits, ACT_BITS[0] + signed, ACT_BITS[1])
    return LevelCode(alphabets, act_bits - signed, signed)
