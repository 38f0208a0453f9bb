"""The checks of unit ``mac``."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from asm_hw.bench.driver import Driver, only_where, reset
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
            acc, weight, activation, cleared = (torch.tensor(v) for v in (self.acc, w[1], x[1], clear))
            accumulator = self.config.accumulator
            self.acc = int(mac(acc, weight, activation, cleared, accumulator.bits, accumulator.overflow))
        self.compare(f"w={w[1]} x={x[1]} en={en} clear={clear}")

    def compare(self, what: str) -> None:
        got = to_signed(self.driver.get("acc"), self.config.accumulator.bits)
        assert got == self.acc, f"after {what}: acc is {got}, golden {self.acc}"


async def check_mac_products(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Single products (``clear`` set): every pair of code words up to 2**13, else corners and 5,000 random."""
    await reset(driver)
    model = _MacModel(driver, config)
    for w, x in Operands(config.product).pairs(1 << 13, 5_000, rng):
        await model.step(w, x, 1, 1)


async def check_mac_sequence(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Random operands with enable gaps, clears and resets in the middle of a sum."""
    await reset(driver)
    model = _MacModel(driver, config)
    # A limit of 0 asks for random pairs, however few pairs there are.
    for w, x in Operands(config.product).pairs(0, 4_000, rng):
        if rng.random() < 0.01:
            # Reset must win over a product that is offered on the same edge.
            driver.set("en", 1)
            await reset(driver)
            model.acc = 0
            model.compare("reset")
        await model.step(w, x, int(rng.random() < 0.8), int(rng.random() < 0.05))


MAX_PUSHES = 20_000
"""Products of the longest sum that is driven; an accumulator that they do not fill has no check of its overflow."""


def _pushes(config: MacConfig) -> list[int]:
    """How many of the smallest and of the largest product carry a sum past the end that they move to; 0 for none."""
    # The negative end is one further out: two products beyond ``top // abs(product)`` pass either end, one follows.
    top = config.accumulator.range[1]
    return [top // abs(product) + 3 if product else 0 for product in config.product.range]


@only_where(lambda config: max(_pushes(config)) <= MAX_PUSHES)
async def check_mac_overflow(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Sums pushed past both ends of the accumulator and back."""
    by_product = sorted(Operands(config.product).corners(), key=lambda pair: pair[0][1] * pair[1][1])
    # Products of one step onto the very ends: there a bound that is off by one shows.
    units = [pair for pair in by_product if abs(pair[0][1] * pair[1][1]) == 1]
    smallest, largest = by_product[0], by_product[-1]
    for first, then, pushes in zip((smallest, largest), (largest, smallest), _pushes(config), strict=True):
        await reset(driver)
        model = _MacModel(driver, config)
        for w, x in [first] * pushes + units[::-1] + units + [then] * 3:
            await model.step(w, x, 1, 0)


CHECKS = (check_mac_products, check_mac_sequence, check_mac_overflow)
