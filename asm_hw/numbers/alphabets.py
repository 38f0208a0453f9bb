"""Alphabet sets: the odd multiples that a shift-add multiplier may use.

Source of the idea: Sarwar et al., arXiv 1602.08557 (quartets, alphabets, precomputer bank).
Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from asm_hw.errors import ParameterError

QUARTET_BITS = 4
"""Bits of a full digit. The top digit of a magnitude may be narrower."""

MAX_ALPHABET = (1 << QUARTET_BITS) - 1


@dataclass(frozen=True)
class BankStep:
    """One adder of a precomputer bank: ``multiple = (left << left_shift) +- (right << right_shift)``.

    ``left`` and ``right`` are multiples that earlier steps (or the input, multiple 1) provide.
    """

    multiple: int
    left: int
    left_shift: int
    right: int
    right_shift: int
    subtract: bool


@dataclass(frozen=True)
class AlphabetSet:
    """A sorted set of distinct odd integers in 1..15 that contains 1.

    ``AlphabetSet((3, 1))`` and ``AlphabetSet.parse("1,3")`` are equal. Raises `ParameterError` on
    anything else.
    """

    values: tuple[int, ...]

    def __post_init__(self) -> None:
        values = tuple(self.values)
        for value in values:
            _check_alphabet(value)
        duplicates = sorted({value for value in values if values.count(value) > 1})
        if duplicates:
            raise ParameterError(f"alphabets {list(values)} name {duplicates[0]} twice: each may appear once")
        if 1 not in values:
            raise ParameterError(f"alphabets {list(values)} must contain 1, so that every power of two is a level")
        object.__setattr__(self, "values", tuple(sorted(values)))

    @classmethod
    def parse(cls, text: str) -> AlphabetSet:
        """Read a comma-separated list such as ``"1,3"``."""
        words = text.split(",")
        if not all(re.fullmatch(r"\s*-?[0-9]+\s*", word) for word in words):  # int() also reads 1_5
            raise ParameterError(f"alphabets must be odd integers separated by commas, such as 1,3, not {text!r}")
        return cls(tuple(map(int, words)))

    @classmethod
    def of(cls, value: AlphabetSet | str | Sequence[int]) -> AlphabetSet:
        """Accept a set, its text or a list of integers; `ParameterError` for anything else."""
        if isinstance(value, AlphabetSet):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        if not isinstance(value, tuple | list):
            raise ParameterError(f"alphabets must be a list of odd integers, such as (1, 3), not {value!r}")
        return cls(tuple(value))

    def __str__(self) -> str:
        return ",".join(map(str, self.values))

    def __iter__(self):
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def usable(self, bits: int) -> tuple[int, ...]:
        """The alphabets that fit a digit of ``bits`` bits."""
        return tuple(value for value in self.values if value < 1 << bits)

    def digit_values(self, bits: int) -> tuple[int, ...]:
        """All values of a digit of ``bits`` bits, ascending: 0 and every ``a << s`` below ``2**bits``."""
        shifted = {a << s for a in self.usable(bits) for s in range(bits) if a << s < 1 << bits}
        return (0, *sorted(shifted))

    @cached_property
    def bank_steps(self) -> tuple[BankStep, ...]:
        """The adders that compute every alphabet above 1 from the input, in order, one adder a step.

        Each alphabet takes one adder if two shifted multiples that already exist give it, and two
        otherwise ({1,11} and {1,13} need a helper multiple). Fewest adders for every legal set.
        """
        known, steps = [1], []
        wanted = [a for a in self.values if a != 1]
        while wanted:
            step = next(filter(None, (_one_adder(a, known) for a in wanted)), None)
            if step is None:  # only 11 or 13 beside 1: one helper that is no alphabet of the set
                step = _one_adder({11: 3, 13: 5}[wanted[0]], known)
            assert step is not None
            steps.append(step)
            known.append(step.multiple)
            wanted = [a for a in wanted if a != step.multiple]
        return tuple(steps)


def _check_alphabet(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ALPHABET:
        raise ParameterError(f"alphabet {value!r} must be an odd integer from 1 to {MAX_ALPHABET}")
    if value % 2 == 0:
        raise ParameterError(f"alphabet {value} must be odd: even multiples are reached by shifting")


def _one_adder(target: int, known: list[int]) -> BankStep | None:
    """The first single addition (sums before differences, small shifts first) that gives ``target``."""
    for subtract in (False, True):
        for right_shift in range(QUARTET_BITS + 1):
            for left_shift in range(QUARTET_BITS + 1):
                for left in known:
                    for right in known:
                        term = right << right_shift
                        if (left << left_shift) + (-term if subtract else term) == target:
                            return BankStep(target, left, left_shift, right, right_shift, subtract)
    return None


AlphabetsLike = AlphabetSet | str | Sequence[int]
"""What may be given for an alphabet set."""


def named_alphabets(name: str, value: AlphabetsLike) -> AlphabetSet:
    """The alphabet set of a parameter, whose errors name it."""
    try:
        return AlphabetSet.of(value)
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from None
