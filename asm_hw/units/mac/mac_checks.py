"""The checks of unit ``mac``."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from asm_hw.bench.driver import Driver, reset
from asm_hw.bench.operand_words import Operands, Word
from asm_hw.golden import mac
from asm_hw.numbers.integers import to_signed

from .mac_config import MacConfig


@dataclass
class _MacModel:
    """The accumulator that the golden model predicts, edge by edge."""

    driver: Driver
    config: MacConfig
    acc: int = 0

    async def step(self, w: Word, x: Word, en: int, clear: int) -> None:
        for port, value in (("w", w[0]), ("x", x[0]), ("en", en), ("clear", clear)):
            self.driver.set(port, value)
        await self.driver.edge()
        if en:
            operands = (torch.tensor(v) for v in (self.acc, w[1], x[1], clear))
            self.acc = int(mac(*operands, self.config.accumulator.bits, self.config.overflow))
        self.compare(f"w={w[1]} x={x[1]} en={en} clear={clear}")

    def compare(self, what: str) -> None:
        got = to_signed(self.driver.get("acc"), self.config.accumulator.bits)
        assert got == self.acc, f"after {what}: acc is {got}, golden {self.acc}"


async def check_mac_products(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Single products (``clear`` set): every pair of code words up to 2**13, else corners and 5,000 random."""
    await reset(driver)
    model = _MacModel(driver, config)
    for w, x in Operands(config).pairs(1 << 13, 5_000, rng):
        await model.step(w, x, 1, 1)


async def check_mac_sequence(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Random operands with enable gaps, clears and resets in the middle of a sum."""
    await reset(driver)
    model = _MacModel(driver, config)
    for w, x in Operands(config).pairs(0, 4_000, rng):
        if rng.random() < 0.01:
            driver.set("en", 1)
            await reset(driver)
            model.acc = 0
            model.compare("reset")
        await model.step(w, x, int(rng.random() < 0.8), int(rng.random() < 0.05))


async def check_mac_overflow(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Sums pushed past both ends of the accumulator, where 2,000 products reach them, and back."""
    by_product = sorted(Operands(config).corners(), key=lambda pair: pair[0][1] * pair[1][1])
    # Products of one step onto the very ends: there a bound that is off by one shows.
    units = [pair for pair in by_product if abs(pair[0][1] * pair[1][1]) == 1]
    for first, then in ((by_product[-1], by_product[0]), (by_product[0], by_product[-1])):
        await reset(driver)
        model = _MacModel(driver, config)
        top = 1 << config.accumulator.bits - 1
        step = abs(first[0][1] * first[1][1])
        pushes = top // step + 3 if step else 3
        if pushes > 2_000:
            continue
        for pair in [first] * pushes + units[::-1] + units + [then] * 3:
            await model.step(*pair, 1, 0)


CHECKS = (check_mac_products, check_mac_sequence, check_mac_overflow)
