"""Sizes of integers. The only definitions of them; standard library only."""

from __future__ import annotations


def ceil_div(a: int, b: int) -> int:
    """``a / b`` rounded up, for ``b`` above 0."""
    return -(-a // b)


def ceil_log2(count: int) -> int:
    """Bits that tell ``count`` things apart, as `amaranth.utils.ceil_log2`; 0 for a single one."""
    return (count - 1).bit_length()


def integer_range(bits: int, signed: bool) -> tuple[int, int]:
    """Smallest and largest integer of ``bits`` bits, two's complement if ``signed``."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def signed_bits(low: int, high: int) -> int:
    """Two's complement bits that hold every integer from ``low`` to ``high``."""
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def to_signed(raw: int, bits: int) -> int:
    """The two's complement value of ``bits`` raw bits."""
    return raw - (raw >> bits - 1 << bits)
