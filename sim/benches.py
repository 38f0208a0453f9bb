"""What a unit must do, written once for every simulator and judged by the golden model.

A check drives a unit through a `Driver`, which Amaranth's simulator and cocotb both provide, and
raises AssertionError at the first difference. Ports are flat and raw: unsigned integers by name.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import torch

from ..config import MacConfig, MultiplierConfig
from ..golden import mac, multiply
from .bitline_bench import check_bitline_operations, check_bitline_products, check_bitline_reset
from .dot_bench import check_dot_corners, check_dot_reset, check_dot_streams
from .driver import Driver, reset, signed
from .near_memory_bench import (
    check_near_memory_blocks,
    check_near_memory_corners,
    check_near_memory_late_activations,
    check_near_memory_products,
    check_near_memory_reset,
)
from .operands import Operands, Word
from .vn_array_bench import check_vn_array_corners, check_vn_array_products, check_vn_array_reset
from .vn_scalar_bench import (
    check_vn_scalar_chain,
    check_vn_scalar_corners,
    check_vn_scalar_order,
    check_vn_scalar_products,
    check_vn_scalar_reset,
)

RANDOM_PAIRS = 100_000


async def check_multiplier(driver: Driver, config: MultiplierConfig, rng: random.Random) -> None:
    """Every pair of code words up to 2**16, else corners and 100,000 random pairs, against golden multiply."""
    pairs = list(Operands(config).pairs(1 << 16, RANDOM_PAIRS, rng))
    values = torch.tensor([(w, x) for (_, w), (_, x) in pairs])
    expected = multiply(values[:, 0], values[:, 1]).tolist()
    for ((w_code, w), (x_code, x)), p in zip(pairs, expected, strict=True):
        driver.set("w", w_code)
        driver.set("x", x_code)
        await driver.settle()
        got = signed(driver.get("p"), config.p_bits)
        assert got == p, f"w={w} (code {w_code}) x={x} (code {x_code}): p is {got}, golden {p}"


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
            self.acc = int(mac(*operands, self.config.acc_width, self.config.overflow))
        self.compare(f"w={w[1]} x={x[1]} en={en} clear={clear}")

    def compare(self, what: str) -> None:
        got = signed(self.driver.get("acc"), self.config.acc_width)
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
        top = 1 << config.acc_width - 1
        step = abs(first[0][1] * first[1][1])
        pushes = top // step + 3 if step else 3
        if pushes > 2_000:
            continue
        for pair in [first] * pushes + units[::-1] + units + [then] * 3:
            await model.step(*pair, 1, 0)


Check = Callable[[Driver, MultiplierConfig, random.Random], Awaitable[None]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "multiplier": (check_multiplier,),
    "mac": (check_mac_products, check_mac_sequence, check_mac_overflow),  # type: ignore[dict-item]
    "dot": (check_dot_streams, check_dot_reset, check_dot_corners),  # type: ignore[dict-item]
    "near_memory": (
        check_near_memory_products,
        check_near_memory_late_activations,
        check_near_memory_blocks,
        check_near_memory_reset,
        check_near_memory_corners,
    ),  # type: ignore[dict-item]
    "vn_scalar": (
        check_vn_scalar_products,
        check_vn_scalar_chain,
        check_vn_scalar_order,
        check_vn_scalar_reset,
        check_vn_scalar_corners,
    ),  # type: ignore[dict-item]
    "vn_array": (check_vn_array_products, check_vn_array_reset, check_vn_array_corners),  # type: ignore[dict-item]
    "bitline": (check_bitline_operations, check_bitline_products, check_bitline_reset),  # type: ignore[dict-item]
}
"""The checks of each unit; a unit with none cannot be simulated."""
