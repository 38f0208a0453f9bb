"""Decoded weights: the bits that the lanes take, instead of the codes that memories hold.

``one_hot`` gives each shift of a digit a bit of its own, none of them set for a zero digit. The plain form of an
ASM weight is its fields code (`LevelCode.fields`), that of an exact weight its two's complement; digits of exact
weights: `weight_digits.py`.
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
