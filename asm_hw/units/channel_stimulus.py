"""Requantize parameters that benches of units with a memory use: scale (a level), bias and shift of a channel."""

from __future__ import annotations

import random

from asm_hw.numbers.integers import signed_bits

from .memory_config import MemoryConfig


def random_channel(config: MemoryConfig, rng: random.Random) -> dict[str, int]:
    """Random requantize parameters that bring most sums near the range of the outputs."""
    unit = config.requantize
    shift = rng.randint(0, 31)
    # At most 2**shift / 256, but 1 at least: sums are wider than outputs.
    small = [level for level in unit.scale.levels.levels if abs(level) <= max(1, 1 << max(0, shift - 8))]
    # After the shift such a bias moves an output through its whole range, as far as the field holds it.
    spread = 1 << min(unit.bias_bits - 1, shift + config.out_bits)
    return {"scale": rng.choice(small), "bias": rng.randrange(-spread, spread), "shift": shift}


def passing_channel(config: MemoryConfig, inputs: int) -> dict[str, int]:
    """Requantize parameters that keep the highest bits of a sum of ``inputs`` products.

    They clamp none, but for the largest ones where rounding lifts them past the top of the outputs.
    """
    low, high = (inputs * bound for bound in config.product.range)
    bits = signed_bits(low, high) if config.out_signed else (high - low).bit_length()
    # Unsigned outputs begin at 0: the bias lifts the smallest sum there.
    return {"scale": 1, "bias": 0 if config.out_signed else -low, "shift": max(0, bits - config.out_bits)}


def corner_channels(config: MemoryConfig) -> list[dict[str, int]]:
    """Requantize parameters at their extremes: what passes, clamps and rounds."""
    unit = config.requantize
    top = 1 << unit.bias_bits - 1
    return [
        {"scale": scale, "bias": bias, "shift": shift}
        for scale in (unit.scale.levels.max, unit.scale.levels.min, 1, 0)
        for bias in (top - 1, -top, 0)
        for shift in (0, 1, 31)
    ]
