"""The code words that benches drive, with the values that hardware must read in them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from math import prod

from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.level_code import LevelCode

Word = tuple[int, int]
"""A code word and its value."""


class Operand:
    """Every word of one port: the codes of all values, and what the encoder never emits but hardware reads.

    ``len()`` counts them, iteration gives all, `pick` one at random, ``corners`` those of extreme, zero
    and unit values, a negative zero among them where the code has one.
    """

    def __init__(self, table: list[Word], code: LevelCode | None = None, storage: str = "packed"):
        # Without digits of its own an operand counts as one, whose words are the whole table.
        self._digits = code.digit_words(storage) if code else (tuple(table),)
        fields = () if code is None else code.packed_fields if storage == "packed" else code.fields
        signs = [1 << field.lsb for field in fields if field.name == "sign"]
        self._signs = ((0, 1), *((sign, -1) for sign in signs))
        by_value = {value: (code_word, value) for code_word, value in table}
        wanted = {min(by_value), max(by_value), 0, 1, -1, max(by_value) // 2}
        # Negative zero, which the encoder never emits.
        zero = [(sign | by_value[0][0], 0) for sign in signs]
        self.corners = [by_value[value] for value in sorted(wanted & by_value.keys())] + zero

    def __len__(self) -> int:
        return len(self._signs) * prod(map(len, self._digits))

    def __iter__(self) -> Iterator[Word]:
        return (self._word(sign, digits) for sign, *digits in product(self._signs, *self._digits))

    def pick(self, rng: random.Random) -> Word:
        """Any word; each digit is drawn by itself."""
        return self._word(rng.choice(self._signs), [rng.choice(digit) for digit in self._digits])

    @staticmethod
    def _word(sign: Word, digits: list[Word]) -> Word:
        bit, factor = sign
        return bit | sum(code for code, _ in digits), factor * sum(value for _, value in digits)


class Operands:
    """The words of a weight, ``w``, and of an activation, ``x``."""

    def __init__(self, product: ProductFormat):
        weight, activation = product.weight, product.activation
        by_digit = weight.arithmetic == "asm" and weight.code != "decoded"
        self.w = Operand(weight.table, weight.levels if by_digit else None, weight.code)
        self.x = Operand(activation.table, activation.levels)

    def corners(self) -> Iterator[tuple[Word, Word]]:
        """Every corner of ``w`` with every corner of ``x``."""
        return product(self.w.corners, self.x.corners)

    def pairs(self, exhaustive: int, otherwise: int, rng: random.Random) -> Iterator[tuple[Word, Word]]:
        """All pairs if they are at most ``exhaustive``, else the corners and ``otherwise`` random pairs."""
        if len(self.w) * len(self.x) <= exhaustive:
            yield from product(self.w, self.x)
            return
        yield from self.corners()
        for _ in range(otherwise):
            yield self.w.pick(rng), self.x.pick(rng)
