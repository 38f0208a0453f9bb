"""Plays micro-operations into a bitline unit and holds it to the golden model of the array."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import torch

from asm_hw.bench.driver import Driver
from asm_hw.bench.stream_bench import Pace, StreamBench, paces
from asm_hw.numbers.bit_fields import pack, unpack

from .bitline_config import BitlineConfig
from .bitline_instructions import LOGIC, TAKES_ROW, End, Instruction, Operation
from .bitline_model import BitlineModel
from .bitline_schedule import loads, tiles
from .serial_schedule import serial_program

INPUTS = ("i_op", "i_row")
PACES = paces(len(INPUTS))

Step = tuple[Instruction, list[int] | None]
"""A micro-operation with the words of the row that it takes."""


@dataclass
class Harness:
    """Holds what leaves the unit, its cycles and its counters to the ``model`` that executes the same steps."""

    driver: Driver
    config: BitlineConfig
    rng: random.Random
    model: BitlineModel

    def __post_init__(self) -> None:
        self.streams = StreamBench(self.driver, self.rng, INPUTS, "o_words")

    def expect(self, steps: list[Step]) -> list[int]:
        """What leaves, as raw beats of ``o_words``."""
        left = []
        for instruction, row in steps:
            words = self.model.execute(instruction, None if row is None else torch.tensor(row))
            if words is not None:
                left.append(pack(words.tolist(), self.config.out_bits))
        return left

    async def run(self, steps: list[Step], pace: Pace = PACES[0], limit: int | None = None) -> None:
        """Stream until all steps are done and have left, and judge them; or for ``limit`` cycles, unjudged."""
        before = self.model.cycles
        expected = self.expect(steps) if limit is None else []
        words = {
            "i_op": [self.config.encode(instruction) for instruction, _ in steps],
            "i_row": [pack(row, self.config.columns_per_word) for _, row in steps if row is not None],
        }
        # Unjudged, as many beats as cycles: no more can leave, so that the limit alone ends it.
        got = await self.streams.run(words, len(expected) if limit is None else limit, pace, limit)
        if limit is not None:
            return
        for index, (beat, golden) in enumerate(zip(got, expected, strict=True)):
            assert beat == golden, f"beat {index} of o_words is {beat:#x}, golden {golden:#x}"
        # A last sum leaves in the cycle after its last micro-operation.
        cycles = self.model.cycles - before + self.model.leaving
        taken = self.streams.cycles
        assert pace != PACES[0] or taken == cycles, f"{taken} cycles, golden {cycles}"
        # It has left: the next steps find ``o_words`` free.
        self.model.leaving = False
        await self.streams.trail()
        self._check_counters()

    def _check_counters(self) -> None:
        bits, counted = self.config.counter_bits, self.config.counted
        if bits:
            got = dict(zip(counted, unpack(self.driver.get("counts"), bits, len(counted)), strict=True))
            expected = {name: self.model.counts[name] % (1 << bits) for name in counted}
            assert got == expected, f"counters are {got}, golden {expected}"

    async def restart(self) -> None:
        """Reset unit and model; the cells keep what they hold."""
        await self.streams.idle()
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
        flags: dict[str, Any] = {"start": row(2), "carry": row(2), "tagged": row(2)} if op == Operation.ADD else {}
        step = Instruction(op, a=a, b=b, d=d, opened=opened, **flags)
        return step, self.words() if op in TAKES_ROW else None

    def any_addition(self) -> list[Step]:
        """Bit-serial: numbers of a few rows added under a random tag, then the carries as a row of their own."""
        start, row = self.rng.randrange(2), self.rng.randrange
        steps = [Instruction(Operation.TAG, a=row(self.config.rows), opened=1)]
        for bit in range(row(1, 4)):
            a, b, d = (row(self.config.rows) for _ in range(3))
            steps.append(
                Instruction(Operation.ADD, a=a, b=b, d=d, opened=2, start=int(bit == 0), carry=start, tagged=1)
            )
        steps.append(Instruction(Operation.ADD, d=row(self.config.rows)))
        return [(step, None) for step in steps]

    def any_sum(self, ends: tuple[End, ...] = (End.LEAVES, End.STORED)) -> list[Step]:
        """Random digits with falling shifts, gaps and empty ones among them, and one of these ends."""
        config, row = self.config, self.rng.randrange
        shifts = sorted((row(config.max_shift + 1) for _ in range(row(1, 6))), reverse=True)
        steps = [
            Instruction(
                Operation.ACCUMULATE,
                a=row(config.rows),
                b=row(config.rows),
                sign=row(2),
                shift=shift,
                opened=row(2 if config.product.is_power_of_two else 3),
            )
            for shift in shifts
        ]
        steps[-1] = replace(steps[-1], end=self.rng.choice(ends), d=row(config.rows))
        return [(step, None) for step in steps]


def asm_steps(config: BitlineConfig, weights: list[list[int]], vectors: list[list[int]]) -> list[Step]:
    """Loads, multiples and sums of all tiles."""
    steps: list[Step] = []
    for tile in tiles(config, weights):
        for instruction, row in loads(config, tile, vectors):
            steps.append((instruction, unpack(row, config.columns_per_word, config.words)))
        steps += [(instruction, None) for instruction in tile.bank]
        steps += [(instruction, None) for output in tile.sums for instruction in output]
    return steps


def serial_steps(config: BitlineConfig, weights: list[list[int]], vectors: list[list[int]]) -> list[Step]:
    """The same on the bit-serial array."""
    return [
        (instruction, None if row is None else unpack(row, 1, config.cols))
        for instruction, row in serial_program(config, weights, vectors)
    ]
