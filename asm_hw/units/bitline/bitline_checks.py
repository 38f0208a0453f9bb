"""The checks of unit ``bitline``: contents, sums, cycles and counters by the golden model, streams by their rules."""

from __future__ import annotations

import random
from dataclasses import replace

import torch
from torch import Tensor

from asm_hw.bench.driver import Driver
from asm_hw.bench.operand_words import Operand
from asm_hw.golden import fit, matvec

from .bitline_config import BitlineConfig
from .bitline_harness import PACES, Harness, Step, asm_steps, serial_steps
from .bitline_instructions import End, Instruction, Operation
from .bitline_model import BitlineModel
from .serial_schedule import max_terms


async def _start(driver: Driver, config: BitlineConfig, rng: random.Random) -> Harness:
    harness = Harness(driver, config, rng, BitlineModel(config))
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
        for _ in range(5):
            if config.arithmetic == "asm":  # rows that want to leave while a sum does
                steps += [*harness.any_sum((End.LEAVES,)), harness.any_step([Operation.READ])]
            else:
                steps += harness.any_addition()
        await harness.run(steps, pace)
        await harness.run(harness.dump(), pace)


async def check_bitline_products(driver: Driver, config: BitlineConfig, rng: random.Random) -> None:
    """Random matrices, scheduled, against the plain matrix product; all words busy, at two paces."""
    harness = await _start(driver, config, rng)
    for pace in PACES[:2]:
        await harness.restart()
        limit = 9 if config.arithmetic == "asm" else min(9, max_terms(config))
        terms, outputs = rng.randint(1, limit), rng.randint(1, 4)
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
        # First the schedule against the plain product, then the unit against the model of the array.
        sums = _sums(harness, steps, outputs)
        assert torch.equal(sums, expected), f"scheduled sums are {sums.tolist()}, not {expected.tolist()}"
        await harness.restart()
        await harness.run(steps, pace)


def _sums(harness: Harness, steps: list[Step], outputs: int) -> Tensor:
    """Sums [words, outputs] by the golden model of the array, partial ones of tiles and bits of rows put together."""
    config = harness.config
    model = BitlineModel(config, harness.model.cells.clone())
    executed = [model.execute(i, None if row is None else torch.tensor(row)) for i, row in steps]
    left = torch.stack([words for words in executed if words is not None])
    if config.arithmetic == "exact":
        # A sum leaves a bit a row, the lowest first.
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
        await harness.run(steps, PACES[1], limit=cycles)
        await harness.streams.interrupt(bool(cycles % 2), {"i_op": config.encode(steps[0][0])})
        harness.model = BitlineModel(config, harness.model.cells)
        await harness.run(harness.dump(), PACES[1])
        await harness.run([(Instruction(Operation.TAG, opened=1), None)] if serial else harness.any_sum(), PACES[1])


CHECKS = (
    check_bitline_operations,
    check_bitline_products,
    check_bitline_reset,
)
