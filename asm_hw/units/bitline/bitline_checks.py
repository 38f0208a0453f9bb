"""The checks of unit ``bitline``: contents, sums, cycles and counters by the golden model, streams by their rules."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from asm_hw.bench.driver import Driver, reset
from asm_hw.bench.operand_words import Operand
from asm_hw.golden import BitlineModel, fit, matvec

from .bitline_config import BitlineConfig
from .bitline_instructions import LOGIC, TAKES_ROW, End, Instruction, Operation
from .bitline_schedule import loads, tiles
from .serial_schedule import max_terms, serial_program

PACES = ((1.0, 1.0, 1.0), (0.6, 0.6, 0.6), (0.3, 0.9, 0.9), (0.9, 0.3, 0.9), (0.9, 0.9, 0.3))
"""How often each of ``i_op``, ``i_row`` and ``o_words`` is willing to move: none stalls, all do, one does."""
TRAILING_CYCLES = 3

Step = tuple[Instruction, list[int] | None]
"""A micro-operation with the words of the row that it takes."""


def packed(words: list[int], bits: int) -> int:
    """Words side by side, the first in the lowest ``bits``."""
    return sum((word & (1 << bits) - 1) << i * bits for i, word in enumerate(words))


@dataclass
class _Harness:
    """Plays steps into a unit and holds what leaves it, its cycles and its counters to the golden model."""

    driver: Driver
    config: BitlineConfig
    rng: random.Random
    model: BitlineModel

    def expect(self, steps: list[Step]) -> list[int]:
        """What leaves, as raw beats of ``o_words``."""
        bits, leaving = self.config.out_bits, []
        for instruction, row in steps:
            words = self.model.execute(instruction, None if row is None else torch.tensor(row))
            if words is not None:
                leaving.append(packed(words.tolist(), bits))
        return leaving

    async def run(self, steps: list[Step], pace: tuple[float, float, float] = PACES[0], most: int = -1) -> int:
        """Stream until all steps are done and have left, or ``most`` cycles; returns the cycles."""
        before = self.model.cycles
        expected = self.expect(steps) if most < 0 else []
        ops = [self.config.encode(instruction) for instruction, _ in steps]
        rows = [packed(row, self.config.columns_per_word) for _, row in steps if row is not None]
        op = row = out = cycles = idle = 0
        offered = [False, False]
        stalled: int | None = None
        while most and (op < len(ops) or out < len(expected)):
            most -= 1
            # A valid once raised stays up until it is taken, as the stream rules ask.
            offered[0] = op < len(ops) and (offered[0] or self.rng.random() < pace[0])
            offered[1] = row < len(rows) and (offered[1] or self.rng.random() < pace[1])
            self.offer(ops[op] if offered[0] else None, rows[row] if offered[1] else None)
            ready = self.rng.random() < pace[2]
            words = await self._offered(ready)
            assert stalled in (None, words), f"o_words goes from {stalled} to {words} while it is stalled"
            stalled = None if ready else words
            moved = [flag and self.driver.get(f"{name}__ready") for flag, name in zip(offered, NAMES, strict=True)]
            if ready and words is not None and expected:
                assert words == expected[out], f"beat {out} of o_words is {words:#x}, golden {expected[out]:#x}"
                out, idle = out + 1, 0
            op, row = op + bool(moved[0]), row + bool(moved[1])
            offered = [flag and not done for flag, done in zip(offered, moved, strict=True)]
            idle = 0 if any(moved) else idle + 1
            assert idle < 1_000, f"no progress for {idle} cycles: {op} of {len(ops)} micro-operations done"
            await self.driver.edge()
            cycles += 1
        if most < 0:
            await self._check_end(pace, cycles, self.model.cycles - before, (row, len(rows)))
        return cycles

    async def _offered(self, ready: bool) -> int | None:
        self.driver.set("o_words__ready", int(ready))
        await self.driver.settle()
        return self.driver.get("o_words__payload") if self.driver.get("o_words__valid") else None

    async def _check_end(
        self, pace: tuple[float, float, float], cycles: int, golden: int, rows: tuple[int, int]
    ) -> None:
        """Nothing follows, all rows were taken, and cycles and counters are those predicted."""
        assert rows[0] == rows[1], f"{rows[0]} of {rows[1]} rows were taken"
        golden += self.model.leaving
        assert pace != PACES[0] or cycles == golden, f"{cycles} cycles, golden {golden}"
        self.offer(None, None)
        self.model.leaving = False
        for _ in range(TRAILING_CYCLES):
            assert await self._offered(True) is None, "words leave after the last ones"
            await self.driver.edge()
        if self.config.counter_bits:
            raw, bits = self.driver.get("counts"), self.config.counter_bits
            got = {name: raw >> i * bits & (1 << bits) - 1 for i, name in enumerate(self.config.counted)}
            expected = {name: self.model.counts[name] % (1 << bits) for name in self.config.counted}
            assert got == expected, f"counters are {got}, golden {expected}"

    def offer(self, op: int | None, row: int | None) -> None:
        """Drive both inputs; None is no offer."""
        for name, payload in zip(NAMES, (op, row), strict=True):
            self.driver.set(f"{name}__valid", int(payload is not None))
            if payload is not None:
                self.driver.set(f"{name}__payload", payload)

    async def restart(self) -> None:
        """Reset unit and model; the cells keep what they hold."""
        self.offer(None, None)
        self.driver.set("o_words__ready", 0)
        await reset(self.driver)
        self.model = BitlineModel(self.config, self.model.cells)

    def fill(self) -> list[Step]:
        """Writes of random words, all bits of them, to every row."""
        return [(Instruction(Operation.WRITE, d=d), self.words()) for d in range(self.config.rows)]

    def words(self) -> list[int]:
        return [self.rng.getrandbits(self.config.columns_per_word) for _ in range(self.config.words)]

    def dump(self) -> list[Step]:
        """Reads of every row."""
        return [(Instruction(Operation.READ, a=a, opened=1), None) for a in range(self.config.rows)]

    def any_step(self, operations: list[Operation]) -> Step:
        """A random legal micro-operation that ends no sum."""
        op, row = self.rng.choice(operations), self.rng.randrange
        opened = {Operation.READ: 1, Operation.COPY: 1, Operation.TAG: 1}.get(op, 0)
        if op in LOGIC:
            opened = self.rng.choice((1, 2))
        if op == Operation.ADD:
            opened = self.rng.choice((0, 1, 2))
        a, b, d = (row(self.config.rows) for _ in range(3))
        flags = {"start": row(2), "carry": row(2), "tagged": row(2)} if op == Operation.ADD else {}
        step = Instruction(op, a=a, b=b, d=d, opened=opened, **flags)
        return step, self.words() if op in TAKES_ROW else None

    def any_sum(self, ends: tuple[End, ...] = (End.LEAVES, End.STORED)) -> list[Step]:
        """Random digits with falling shifts, gaps and empty ones among them, and one of these ends."""
        config, row = self.config, self.rng.randrange
        shifts = sorted((row(config.max_shift + 1) for _ in range(row(1, 6))), reverse=True)
        steps = [
            Instruction(
                Operation.ACCUMULATE, a=row(config.rows), b=row(config.rows), sign=row(2), shift=shift,
                opened=row(2 if config.product.is_power_of_two else 3),
            )
            for shift in shifts
        ]  # fmt: skip
        steps[-1] = replace(steps[-1], end=self.rng.choice(ends), d=row(config.rows))
        return [(step, None) for step in steps]


NAMES = ("i_op", "i_row")


async def _start(driver: Driver, config: BitlineConfig, rng: random.Random) -> _Harness:
    harness = _Harness(driver, config, rng, BitlineModel(config))
    await harness.restart()
    await harness.run(harness.fill())
    return harness


async def check_bitline_operations(driver: Driver, config: BitlineConfig, rng: random.Random) -> None:
    """Every micro-operation, in random order on random contents, at every pace; then every row is read."""
    harness = await _start(driver, config, rng)
    for pace in PACES:
        await harness.restart()
        for op in config.operations:  # each by itself, then all in any order
            steps = harness.any_sum() if op == Operation.ACCUMULATE else [harness.any_step([op])]
            await harness.run(steps, pace)
        steps = []
        for _ in range(60):
            operation = rng.choice(config.operations)
            steps += harness.any_sum() if operation == Operation.ACCUMULATE else [harness.any_step([operation])]
        if config.arithmetic == "asm":  # rows that want to leave while a sum does
            for _ in range(5):
                steps += [*harness.any_sum((End.LEAVES,)), harness.any_step([Operation.READ])]
        await harness.run(steps, pace)
        await harness.run(harness.dump(), pace)


async def check_bitline_products(driver: Driver, config: BitlineConfig, rng: random.Random) -> None:
    """Random matrices, scheduled, against the plain matrix product; all words busy, at two paces."""
    harness = await _start(driver, config, rng)
    for pace in PACES[:2]:
        await harness.restart()
        most = 9 if config.arithmetic == "asm" else max_terms(config)
        terms, outputs = rng.randint(1, min(most, 9)), rng.randint(1, 4)
        levels = config.weight.values
        weights = [[rng.choice(levels) * (rng.random() < 0.8) for _ in range(terms)] for _ in range(outputs)]
        x = Operand(config.activation.table, config.activation.levels)
        vectors = [[x.pick(rng)[1] for _ in range(terms)] for _ in range(config.words)]
        expected = fit(matvec(torch.tensor(weights), torch.tensor(vectors)), config.accumulator.bits)
        steps = (
            asm_steps(config, weights, vectors)
            if config.arithmetic == "asm"
            else serial_steps(config, weights, vectors)
        )
        sums = _sums(harness, steps, outputs)
        assert torch.equal(sums, expected), f"scheduled sums are {sums.tolist()}, not {expected.tolist()}"
        await harness.restart()
        await harness.run(steps, pace)


def asm_steps(config: BitlineConfig, weights: list[list[int]], vectors: list[list[int]]) -> list[Step]:
    """Loads, multiples and sums of all tiles."""
    steps: list[Step] = []
    for tile in tiles(config, weights):
        mask, bits = (1 << config.columns_per_word) - 1, config.columns_per_word
        for instruction, row in loads(config, tile, vectors):
            steps.append((instruction, [row >> i * bits & mask for i in range(config.words)]))
        steps += [(instruction, None) for instruction in tile.bank]
        steps += [(instruction, None) for output in tile.sums for instruction in output]
    return steps


def serial_steps(config: BitlineConfig, weights: list[list[int]], vectors: list[list[int]]) -> list[Step]:
    """The same on the bit-serial array."""
    bits = range(config.cols)
    return [
        (instruction, None if row is None else [row >> i & 1 for i in bits])
        for instruction, row in serial_program(config, weights, vectors)
    ]


def _sums(harness: _Harness, steps: list[Step], outputs: int) -> Tensor:
    """Sums [words, outputs] by the golden model of the array, partial ones of tiles and bits of rows put together."""
    config = harness.config
    model = BitlineModel(config, harness.model.cells.clone())
    executed = [model.execute(i, None if row is None else torch.tensor(row)) for i, row in steps]
    left = torch.stack([words for words in executed if words is not None])
    if config.arithmetic == "exact":
        places = 1 << torch.arange(config.accumulator.bits)
        total = (left.reshape(outputs, config.accumulator.bits, -1) * places[None, :, None]).sum(1)
    else:
        total = left.reshape(-1, outputs, config.words).sum(0)
    return fit(total.T, config.accumulator.bits)


async def check_bitline_reset(driver: Driver, config: BitlineConfig, rng: random.Random) -> None:
    """A reset in the middle of a sum, or while words wait to leave, takes nothing but the sum, and leaves all rows."""
    for cycles in (1, 2, 3, 5, 8):
        harness = await _start(driver, config, rng)
        serial = config.arithmetic == "exact"
        steps = [
            step for _ in range(9) for step in ([harness.any_step([Operation.TAG])] if serial else harness.any_sum())
        ]
        steps = [
            (replace(step, end=End.LEAVES if step.end else End.STAYS), row) for step, row in steps
        ]  # rows keep their contents
        await harness.run(steps, PACES[1], most=cycles)
        harness.offer(config.encode(steps[0][0]), None)
        driver.set("o_words__ready", cycles % 2)
        await reset(driver)
        harness.offer(None, None)
        await driver.settle()
        assert not driver.get("o_words__valid"), f"o_words__valid is set after a reset at cycle {cycles}"
        harness.model = BitlineModel(config, harness.model.cells)
        await harness.run(harness.dump(), PACES[1])
        await harness.run([(Instruction(Operation.TAG, opened=1), None)] if serial else harness.any_sum(), PACES[1])


CHECKS = (
    check_bitline_operations,
    check_bitline_products,
    check_bitline_reset,
)
