"""How a sum is kept, and how products are added to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from asm_hw.errors import check_choice, check_range
from asm_hw.numbers.integers import integer_range, signed_bits

from .product_format import ProductFormat

OVERFLOW = ("wrap", "saturate")
ACC_BITS = (2, 62)
"""Least and most bits: an accumulator plus one beat of products stays inside a 64-bit golden integer."""


@dataclass(frozen=True)
class AccumulatorFormat:
    """A two's complement accumulator of ``bits`` bits that wraps or saturates; `ParameterError` for other values."""

    bits: int
    overflow: str = "wrap"

    def __post_init__(self) -> None:
        check_range("acc_bits", self.bits, *ACC_BITS)
        check_choice("overflow", self.overflow, OVERFLOW)

    @classmethod
    def for_terms(cls, product: ProductFormat, terms: int, overflow: str = "wrap") -> AccumulatorFormat:
        """The narrowest accumulator that ``terms`` products cannot overflow."""
        low, high = product.range
        return cls(signed_bits(terms * low, terms * high), overflow)

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest sum."""
        return integer_range(self.bits, signed=True)

    def fit(self, total: int) -> int:
        """``total`` brought into the accumulator.

        The same for tensors: `fit` in `asm_hw/golden/integer_arithmetic.py`; in gateware: ``_overflow`` in
        `asm_hw/gateware/adders.py`.
        """
        low, high = self.range
        if self.overflow == "saturate":
            return max(low, min(total, high))
        return (total - low) % (1 << self.bits) + low

    def safe_terms(self, product: ProductFormat) -> int:
        """Products, whatever their values, that a cleared accumulator takes without overflow."""
        # The most negative product may fill the accumulator sooner than the largest, or later.
        (low, high), (least, most) = product.range, self.range
        return min(limit // size for limit, size in ((-least, -low), (most, high)) if size > 0)


class AdderStyle(StrEnum):
    """How products are added to one another and to the accumulator.

    A compressor ``heap`` with one carry-propagate adder, the accumulator among its rows (``greedy``: fewer adders in
    longer chains; ``wallace``: as few, in stages; ``carry_save``: a carry-save accumulator); a balanced ``tree`` of
    ``+``, which suits the carry chains of FPGAs; or ``plain``, as one would write it, product by product.
    """

    HEAP = "heap"
    GREEDY = "greedy"
    WALLACE = "wallace"
    CARRY_SAVE = "carry_save"
    TREE = "tree"
    PLAIN = "plain"

    @property
    def has_heap(self) -> bool:
        """Whether products are added by a compressor heap."""
        return self not in (AdderStyle.TREE, AdderStyle.PLAIN)


STRUCTURES = tuple(map(str, AdderStyle))
