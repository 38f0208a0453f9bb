"""Digits of exact weights: the ways in which a two's complement weight becomes rows of partial products.

A form says how many bits each digit covers, from the lowest one: ``1_2_2``. A digit of one bit is 0 or 1, an AND row; a
longer one is signed, from ``-2**(n-1)`` to ``2**(n-1)`` (radix-4 digits: Booth 1951, MacSorley 1961); ``u2`` is 0 to 3.
Digits above an unsigned one take the sign of two's complement: a top digit of one bit counts -1 there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from asm_hw.errors import ParameterError

from .bit_fields import Field, join_fields, place_fields

MULTIPLES = {1: "one", 2: "two", 3: "three", 4: "four"}
"""Names of the bits that select a multiple of the activation."""
LONGEST_DIGIT = 3
_DIGIT = re.compile(r"u2|[1-3]")


@dataclass(frozen=True)
class WeightDigit:
    """A digit: 0 or one of ``multiples``, times ``2**position``; ``sign``: ``plus``, ``minus`` or ``either``."""

    position: int
    multiples: tuple[int, ...]
    sign: str

    @property
    def values(self) -> list[int]:
        """What the digit can be."""
        signs = {"plus": (1,), "minus": (-1,), "either": (1, -1)}[self.sign]
        return [0, *(sign * multiple for multiple in self.multiples for sign in signs)]


def booth_form(bits: int) -> str:
    """Radix-4 digits; on top of an odd number of bits one of -1, 0 or 1."""
    return "_".join(["2"] * (bits // 2) + ["1"] * (bits % 2))


def check_form(form: str, bits: int) -> None:
    """Raises `ParameterError` unless the digits of ``form`` cover ``bits`` bits, the top one able to be negative."""
    parts = form.split("_")
    known = all(map(_DIGIT.fullmatch, parts))
    if not known or sum(int(part[-1]) for part in parts) != bits or parts[-1] == "u2":
        raise ParameterError(
            f"weight_form {form!r} must be binary, booth, pairs, or widths of digits, 1 to {LONGEST_DIGIT} or u2, from "
            f"the lowest to a signed one, that add up to the {bits} bits of the weight, such as {booth_form(bits)}"
        )


def digit_forms(bits: int) -> list[str]:
    """Every form of ``bits`` bits: unsigned digits, then signed ones up to the top."""

    def above(covered: int, carries: bool) -> Iterator[list[str]]:
        for part in ("1", "u2", "2", "3"):
            width, signed = int(part[-1]), part in ("2", "3")
            if covered + width == bits and part != "u2":
                yield [part]
            elif covered + width < bits and (signed or not carries):
                yield from ([part, *others] for others in above(covered + width, signed))

    return ["_".join(parts) for parts in above(0, False)]


@cache
def weight_digits(form: str, bits: int) -> tuple[WeightDigit, ...]:
    """The digits of a form, lowest first."""
    check_form(form, bits)
    digits: list[WeightDigit] = []
    multiples: tuple[int, ...]
    position, carries = 0, False  # whether the digit below may have taken one too much
    for index, part in enumerate(form.split("_")):
        width, top = int(part[-1]), position + int(part[-1]) == bits
        if part == "u2":
            multiples, sign = (1, 2, 3), "plus"
        elif width == 1:
            multiples, sign = (1,), ("either" if carries else "minus") if top else "plus"
        else:
            multiples, sign = tuple(range(1, (1 << width - 1) + 1)), "either"
        if carries and sign == "plus":
            raise ParameterError(
                f"weight_form {form!r} must have no unsigned digit above a signed one, as digit {index} is"
            )
        digits.append(WeightDigit(position, multiples, sign))
        position, carries = position + width, sign == "either"
    return tuple(digits)


def digit_fields(digits: tuple[WeightDigit, ...]) -> tuple[Field, ...]:
    """A bit for each multiple of each digit, and its sign where it has one."""
    fields = []
    for i, digit in enumerate(digits):
        fields += [(f"{MULTIPLES[multiple]}{i}", 1) for multiple in digit.multiples]
        fields += [(f"negative{i}", 1)] if digit.sign == "either" else []
    return place_fields(fields)


def encode_digits(digits: tuple[WeightDigit, ...], value: int) -> int:
    """The fields of a weight by the fewest digits that are not 0, of those by the fewest negative ones."""
    parts: dict[str, int] = {}
    for i, (digit, chosen) in enumerate(zip(digits, fewest_digits(digits, value), strict=True)):
        parts |= {f"{MULTIPLES[multiple]}{i}": int(abs(chosen) == multiple) for multiple in digit.multiples}
        parts |= {f"negative{i}": int(chosen < 0)} if digit.sign == "either" else {}
    return join_fields(digit_fields(digits), parts)


def fewest_digits(digits: tuple[WeightDigit, ...], value: int) -> tuple[int, ...]:
    """The digits of a weight; raises `ParameterError` for what they cannot give."""
    if (found := _fewest(digits, value)) is None:
        raise ParameterError(f"weight {value!r} must be a sum of the digits of its form")
    return found


@cache
def _fewest(digits: tuple[WeightDigit, ...], value: int) -> tuple[int, ...] | None:
    """Digits that add up to ``value``, in units of the first one's position; None where there are none."""
    if not digits:
        return () if value == 0 else None
    first, rest = digits[0], digits[1:]
    step = 1 << rest[0].position - first.position if rest else 1
    found = []
    for chosen in first.values:
        left = value - chosen
        following = _fewest(rest, left // step) if left % step == 0 else None
        if following is not None:
            found.append((chosen, *following))
    return min(found, key=_cost, default=None)


def _cost(chosen: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    return sum(digit != 0 for digit in chosen), sum(digit < 0 for digit in chosen), tuple(map(abs, chosen))
