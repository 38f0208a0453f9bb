"""The checks of unit ``multiplier``."""

from __future__ import annotations

import random

import torch

from asm_hw.bench.driver import Driver
from asm_hw.bench.operand_words import Operands
from asm_hw.golden import multiply
from asm_hw.numbers.integers import to_signed

from .multiplier_config import MultiplierConfig

RANDOM_PAIRS = 100_000


async def check_multiplier(driver: Driver, config: MultiplierConfig, rng: random.Random) -> None:
    """Every pair of code words up to 2**16, else corners and 100,000 random pairs, against golden multiply."""
    pairs = list(Operands(config.product).pairs(1 << 16, RANDOM_PAIRS, rng))
    values = torch.tensor([(w, x) for (_, w), (_, x) in pairs])
    expected = multiply(values[:, 0], values[:, 1]).tolist()
    for ((w_code, w), (x_code, x)), p in zip(pairs, expected, strict=True):
        driver.set("w", w_code)
        driver.set("x", x_code)
        await driver.settle()
        got = to_signed(driver.get("p"), config.product.bits)
        assert got == p, f"w={w} (code {w_code}) x={x} (code {x_code}): p is {got}, golden {p}"


CHECKS = (check_multiplier,)
