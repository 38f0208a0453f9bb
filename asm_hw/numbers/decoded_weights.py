"""Decoded weights: the bits that the lanes take, instead of the codes that memories hold.

``one_hot`` gives each shift of a digit a bit of its own, none of them set for a zero digit; ``booth``
are the radix-4 digits of a two's complement weight (Booth 1951, MacSorley 1961). The plain form of an
ASM weight is its fields code (`LevelCode.fields`), that of an exact weight its two's complement.
"""

from __future__ import annotations

from .bit_fields import Field, join_fields, place_fields
from .level_code import LevelCode


def one_hot_fields(levels: LevelCode) -> tuple[Field, ...]:
    """Where shift bits and, if there is a choice, alphabet index of each digit sit, and the sign."""
    widths = []
    for i, digit in enumerate(levels.digits):
        widths += [(f"hot{i}", digit.bits), (f"alphabet{i}", digit.alphabet_bits)]
    return place_fields([*widths, ("sign", int(levels.signed))])


def encode_one_hot(levels: LevelCode, value: int) -> int:
    """The one-hot form of a level."""
    parts = {"sign": int(value < 0)}
    for i, (digit, v) in enumerate(levels.cut(value)):
        alphabet, shift = digit.split(v) if v else (0, 0)
        parts |= {f"hot{i}": int(v > 0) << shift, f"alphabet{i}": alphabet}
    return join_fields(one_hot_fields(levels), parts)


def booth_digits(weight_bits: int) -> int:
    """Radix-4 digits of a two's complement weight."""
    return (weight_bits + 1) // 2


def booth_fields(weight_bits: int) -> tuple[Field, ...]:
    """Where magnitude one, magnitude two and sign of each digit sit."""
    names = ("one", "two", "negative")
    return place_fields([(f"{name}{i}", 1) for i in range(booth_digits(weight_bits)) for name in names])


def encode_booth(weight_bits: int, value: int) -> int:
    """The Booth form of a two's complement weight: digit i is ``-2 * w[2i+1] + w[2i] + w[2i-1]``."""
    parts: dict[str, int] = {}
    bits = value << 1
    for i in range(booth_digits(weight_bits)):
        low, middle, high = (bits >> 2 * i + k & 1 for k in range(3))
        digit = low + middle - 2 * high
        parts |= {f"one{i}": int(abs(digit) == 1), f"two{i}": int(abs(digit) == 2), f"negative{i}": int(digit < 0)}
    return join_fields(booth_fields(weight_bits), parts)
