"""How a real value becomes an integer, where floats meet the integers: a network's input, a training quantizer."""

from __future__ import annotations


def finest_shift(bits: int) -> int:
    """The requantize shift that conversion prefers for integers of ``bits``.

    Sums are multiples of ``2**-shift`` of a step. Floats of that many steps must tell two of them apart,
    so that a float model rounds as the integers do: float32 has 24 bits, of which scales kept as logarithms
    lose three and sums one.
    """
    return max(20 - max(bits, 5), 4)


def half_of(bits: int) -> float:
    """What is added before rounding down: half a step, and half of what `finest_shift` tells apart.

    Sums often lie halfway between two integers, where the hardware goes up; a float that lost a little
    on its way must follow.
    """
    return 0.5 + 2.0 ** -(finest_shift(bits) + 1)
