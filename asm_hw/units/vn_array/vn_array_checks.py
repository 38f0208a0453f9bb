"""The checks of unit ``vn_array``: products by the golden model, cycles by the configuration."""

from __future__ import annotations

import random

from asm_hw.bench.driver import Driver
from asm_hw.units.von_neumann.vn_checks import Shape, check_corners, check_products, check_reset

from .vn_array_config import VnArrayConfig


def _shapes(config: VnArrayConfig) -> list[Shape]:
    """Outputs, inputs and vectors: less than the array, just it, and more where the memory holds it."""
    lanes, columns, hold = config.lanes, config.columns, config.hold
    shapes = [
        (max(1, columns - 1), max(1, lanes - 1), 1),
        (columns, lanes, hold),
        (columns, 3 * lanes, 1),
        (columns, 3 * lanes, hold + 1),
        (columns + 1, 2 * lanes + 1, 2 * hold + 1),
    ]
    return [shape for shape in shapes if config.words(*shape) <= config.depth]


async def check_vn_array_products(driver: Driver, config: VnArrayConfig, rng: random.Random) -> None:
    """Random matrices of all shapes: `check_products`."""
    await check_products(driver, config, rng, _shapes(config))


async def check_vn_array_reset(driver: Driver, config: VnArrayConfig, rng: random.Random) -> None:
    """A reset in the middle of a job: `check_reset`."""
    await check_reset(driver, config, rng, _shapes(config)[-1], early=6, later=8)


async def check_vn_array_corners(driver: Driver, config: VnArrayConfig, rng: random.Random) -> None:
    """Every lane at the extremes at once, through requantize parameters that pass, clamp and round."""
    await check_corners(driver, config, rng, config.columns, config.lanes)


CHECKS = (
    check_vn_array_products,
    check_vn_array_reset,
    check_vn_array_corners,
)
