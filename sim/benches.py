"""What a unit must do, written once for every simulator and judged by the golden model.

A check drives a unit through a `Driver`, which Amaranth's simulator and cocotb both provide, and
raises AssertionError at the first difference. Ports are flat and raw: unsigned integers by name.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import torch

from ..config import DotConfig, MacConfig, MultiplierConfig
from ..golden import dot, mac, multiply

EXHAUSTIVE_BITS = 16
RANDOM_PAIRS = 100_000


class Driver(Protocol):
    """Access to the ports of a unit under test."""

    def set(self, port: str, value: int) -> None: ...

    def get(self, port: str) -> int: ...

    async def settle(self) -> None:
        """Let combinational logic follow the inputs."""

    async def edge(self) -> None:
        """Pass one rising clock edge; inputs may be set again afterwards."""


def signed(raw: int, bits: int) -> int:
    """The two's complement value of ``bits`` raw bits."""
    return raw - (raw >> bits - 1 << bits)


def operand_pairs(config: MultiplierConfig, rng: random.Random, most: int = RANDOM_PAIRS) -> Iterator[tuple]:
    """((code, value) of w, (code, value) of x): all pairs where few enough, else corners and random."""
    weights, activations = config.weight_table, config.act_table
    if config.w_bits + config.x_bits <= EXHAUSTIVE_BITS and len(weights) * len(activations) <= max(most, 1 << 16):
        yield from product(weights, activations)
        return
    yield from _sampled(config, rng, most)


def _corners(table: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The rows of the extreme, the zero and the unit values."""
    by_value = {value: (code, value) for code, value in table}
    wanted = {min(by_value), max(by_value), 0, 1, -1, max(by_value) // 2}
    return [by_value[value] for value in sorted(wanted & by_value.keys())]


async def check_multiplier(driver: Driver, config: MultiplierConfig, rng: random.Random) -> None:
    """Every pair of legal codes, or corners and 100,000 random pairs, against golden multiply."""
    pairs = list(operand_pairs(config, rng))
    values = torch.tensor([(w, x) for (_, w), (_, x) in pairs])
    expected = multiply(values[:, 0], values[:, 1]).tolist()
    for ((w_code, w), (x_code, x)), p in zip(pairs, expected, strict=True):
        driver.set("w", w_code)
        driver.set("x", x_code)
        await driver.settle()
        got = signed(driver.get("p"), config.p_bits)
        assert got == p, f"w={w} (code {w_code}) x={x} (code {x_code}): p is {got}, golden {p}"


async def _reset(driver: Driver) -> None:
    driver.set("rst", 1)
    await driver.edge()
    driver.set("rst", 0)


@dataclass
class _MacModel:
    """The accumulator that the golden model predicts, edge by edge."""

    driver: Driver
    config: MacConfig
    acc: int = 0

    async def step(self, w: tuple[int, int], x: tuple[int, int], en: int, clear: int) -> None:
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
    """Single products (``clear`` set), exhaustive up to 2**13 pairs, else corners and 5,000 random."""
    await _reset(driver)
    model = _MacModel(driver, config)
    few = len(config.weight_table) * len(config.act_table) <= 1 << 13
    pairs = product(config.weight_table, config.act_table) if few else _sampled(config, rng, 5_000)
    for w, x in pairs:
        await model.step(w, x, 1, 1)


def _sampled(config: MultiplierConfig, rng: random.Random, count: int) -> Iterator[tuple]:
    yield from product(_corners(config.weight_table), _corners(config.act_table))
    for _ in range(count):
        yield rng.choice(config.weight_table), rng.choice(config.act_table)


async def check_mac_sequence(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Random operands with enable gaps, clears and resets in the middle of a sum."""
    await _reset(driver)
    model = _MacModel(driver, config)
    for w, x in _sampled(config, rng, 4_000):
        if rng.random() < 0.01:
            driver.set("en", 1)
            await _reset(driver)
            model.acc = 0
            model.compare("reset")
        await model.step(w, x, int(rng.random() < 0.8), int(rng.random() < 0.05))


async def check_mac_overflow(driver: Driver, config: MacConfig, rng: random.Random) -> None:
    """Sums pushed past both ends of the accumulator, where 2,000 products reach them, and back."""
    by_product = sorted(
        product(_corners(config.weight_table), _corners(config.act_table)), key=lambda pair: pair[0][1] * pair[1][1]
    )
    # Products of one step onto the very ends: there a bound that is off by one shows.
    units = [pair for pair in by_product if abs(pair[0][1] * pair[1][1]) == 1]
    for first, then in ((by_product[-1], by_product[0]), (by_product[0], by_product[-1])):
        await _reset(driver)
        model = _MacModel(driver, config)
        top = 1 << config.acc_width - 1
        step = abs(first[0][1] * first[1][1])
        pushes = top // step + 3 if step else 3
        if pushes > 2_000:
            continue
        for pair in [first] * pushes + units[::-1] + units + [then] * 3:
            await model.step(*pair, 1, 0)


Beat = tuple[list[tuple[int, int]], bool, bool]  # activations (code, value), release, last


class _DotModel:
    """Feeds beats to a ``dot`` unit under random stalls and holds every sum to the golden model."""

    def __init__(self, driver: Driver, config: DotConfig, rng: random.Random):
        self.driver, self.config, self.rng = driver, config, rng
        self.cycles = 0

    def weights(self) -> list[list[tuple[int, int]]]:
        """One weight beat: [column][lane] of (code, value)."""
        pick = self.rng.choice
        return [[pick(self.config.weight_table) for _ in range(self.config.lanes)] for _ in range(self.config.columns)]

    def stimulus(self, sums: int, load: Callable[[int], bool]) -> tuple[list[Beat], list, list[list[int]]]:
        """Beats, weight beats and the expected sums; ``load`` says which beats are the first to use new weights."""
        beats: list[Beat] = []
        loads: list = []
        expected = []
        for _ in range(sums):
            used, length = [], self.rng.randint(1, 5)
            for position in range(length):
                if load(len(beats)):
                    loads.append(self.weights())
                codes = [self.rng.choice(self.config.act_table) for _ in range(self.config.lanes)]
                beats.append((codes, load(len(beats) + 1), position == length - 1))
                used.append(loads[-1])
            w = torch.tensor([[[value for _, value in column] for column in beat] for beat in used])
            x = torch.tensor([[value for _, value in beat[0]] for beat in beats[-length:]])
            expected.append(dot(w, x, self.config.acc_width, self.config.overflow).tolist())
        codes, _, last = beats[-1]
        beats[-1] = (codes, True, last)  # what comes next brings weights of its own
        return beats, loads, expected

    async def run(self, beats: list[Beat], loads: list, expected: list[list[int]], pace: float, most: int = -1) -> None:
        """Stream until ``expected`` has left, or ``most`` cycles; each stream moves at ``pace``."""
        beat, load, out = 0, 0, 0
        offered = [False, False]
        idle = 0
        while out < len(expected) and most:
            most -= 1
            # A valid once raised stays up until it is taken, as the stream rules ask.
            offered[0] = beat < len(beats) and (offered[0] or self.rng.random() < pace)
            offered[1] = load < len(loads) and (offered[1] or self.rng.random() < pace)
            self._offer(beats[beat] if offered[0] else None, loads[load] if offered[1] else None)
            ready = self.rng.random() < pace
            self.driver.set("o__ready", int(ready))
            await self.driver.settle()
            if offered[0] and self.driver.get("i__ready"):
                beat, offered[0], idle = beat + 1, False, 0
            if offered[1] and self.driver.get("i_weight__ready"):
                load, offered[1] = load + 1, False
            if ready and self.driver.get("o__valid"):
                self._compare(out, expected[out])
                out, idle = out + 1, 0
            idle += 1
            assert idle < 1_000, f"no progress for {idle} cycles: {beat} beats in, {out} sums out"
            await self.driver.edge()
            self.cycles += 1

    def _offer(self, beat: Beat | None, load: list | None) -> None:
        config, driver = self.config, self.driver
        driver.set("i__valid", int(beat is not None))
        driver.set("i_weight__valid", int(load is not None))
        if beat is not None:
            x = sum(code << i * config.x_bits for i, (code, _) in enumerate(beat[0]))
            flags = beat[1] | beat[2] << 1
            driver.set("i__payload", x | flags << config.lanes * config.x_bits)
        if load is not None:
            codes = [code for column in load for code, _ in column]
            driver.set("i_weight__payload", sum(code << i * config.w_bits for i, code in enumerate(codes)))

    def _compare(self, index: int, expected: list[int]) -> None:
        raw, bits = self.driver.get("o__payload"), self.config.acc_width
        got = [signed(raw >> i * bits & (1 << bits) - 1, bits) for i in range(self.config.columns)]
        assert got == expected, f"sum {index}: {got}, golden {expected}"


async def _idle_dot(driver: Driver) -> None:
    for port in ("i__valid", "i_weight__valid", "o__ready"):
        driver.set(port, 0)
    await _reset(driver)


async def check_dot_streams(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """Streaming, held and mixed weights, each without stalls and under random back-pressure."""
    for pace in (1.0, 0.7, 0.3):
        for load in (lambda beat: True, lambda beat: beat == 0, lambda beat: beat % 3 == 0):
            await _idle_dot(driver)
            model = _DotModel(driver, config, rng)
            beats, loads, expected = model.stimulus(40, load)
            await model.run(beats, loads, expected, pace)
            full_rate = config.weight_registers + len(beats) + config.latency
            assert pace < 1 or model.cycles == full_rate, (
                f"{model.cycles} cycles for {len(beats)} beats, not {full_rate}"
            )


async def check_dot_reset(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """A reset in the middle of a sum leaves nothing behind: not a partial sum, not a held beat."""
    for cycles in (1, 2, 3, 5, 8, 13):
        await _idle_dot(driver)
        model = _DotModel(driver, config, rng)
        await model.run(*model.stimulus(20, lambda beat: beat == 0), pace=0.8, most=cycles)
        await _idle_dot(driver)
        assert not driver.get("o__valid"), f"o__valid is set after a reset at cycle {cycles}"
        await model.run(*model.stimulus(5, lambda beat: beat % 2 == 0), pace=0.8)


async def check_dot_corners(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """Every lane at the extremes at once, long enough to reach the ends of a narrow accumulator."""
    await _idle_dot(driver)
    model = _DotModel(driver, config, rng)
    for w, x in product(_corners(config.weight_table), _corners(config.act_table)):
        length = 6
        beats: list[Beat] = [([x] * config.lanes, i == length - 1, i == length - 1) for i in range(length)]
        values = torch.full((length, config.columns, config.lanes), w[1])
        expected = dot(values, torch.full((length, config.lanes), x[1]), config.acc_width, config.overflow)
        await model.run(beats, [[[w] * config.lanes] * config.columns], [expected.tolist()], pace=1.0)


Check = Callable[[Driver, MultiplierConfig, random.Random], Awaitable[None]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "multiplier": (check_multiplier,),
    "mac": (check_mac_products, check_mac_sequence, check_mac_overflow),  # type: ignore[dict-item]
    "dot": (check_dot_streams, check_dot_reset, check_dot_corners),  # type: ignore[dict-item]
}
"""The checks of each unit; a unit with none cannot be simulated."""
