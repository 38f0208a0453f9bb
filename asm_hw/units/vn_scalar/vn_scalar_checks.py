"""The checks of unit ``vn_scalar``: products by the golden model, cycles by the configuration."""

from __future__ import annotations

import random

from asm_hw.bench.driver import Driver, only_where
from asm_hw.bench.operand_words import Operands
from asm_hw.units.channel_stimulus import random_channel
from asm_hw.units.von_neumann.vn_checks import (
    Model,
    Shape,
    check_corners,
    check_products,
    check_reset,
    compare,
    of_words,
    random_words,
)
from asm_hw.units.von_neumann.word_program import WordProgram

from .vn_scalar_config import VnScalarConfig


def _shapes(config: VnScalarConfig) -> list[Shape]:
    """Outputs, inputs and vectors: one of each, less and more than words hold, what ends with a word."""
    w, x, packed = config.weights_per_word, config.activations_per_word, config.outputs_per_word
    shapes = [(1, 1, 1), (2, w, 2), (3, x + 1, 1), (5, 1, 2)]
    shapes += [(packed, 4 * max(w, x), 1), (packed + 1, 3 * min(w, x) - 1, 2)]
    return [shape for shape in shapes if config.words(*shape) <= config.depth]


async def check_vn_scalar_products(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """Random matrices of all shapes: `check_products`."""
    await check_products(driver, config, rng, _shapes(config))


async def check_vn_scalar_reset(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """A reset in the middle of a job: `check_reset`."""
    await check_reset(driver, config, rng, _shapes(config)[-1], early=8, later=4)


def _can_chain(config: VnScalarConfig) -> bool:
    """Whether outputs can be activations, and a job and the next one that takes a word more than one of them fit."""
    width = config.outputs_per_word + 1
    same = config.out_bits == config.activation.code_bits and config.activation.levels is None
    return same and config.words(width, 3, 1) + config.words(2, width, 1) <= config.depth


@only_where(_can_chain)
async def check_vn_scalar_chain(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """Outputs that are the activations of the next job: the memory holds them as one packs them from outside."""
    await Model(driver, config, rng).streams.idle()
    model, values, operands = Model(driver, config, rng), dict(config.activation.table), Operands(config.product)
    for _ in range(3):
        width = config.outputs_per_word + 1
        first = random_words(config, rng, (width, 3, 1))
        raw = first.program.gather(config, first.expected)[0]
        w = [[operands.w.pick(rng) for _ in range(width)] for _ in range(2)]
        channels = [random_channel(config, rng) for _ in w]
        second = of_words(config, w, [[(code, values[code]) for code in raw]], channels, first.program.results.stop)
        job = second.program.jobs[0]
        # The same vector lies among the words of ``second``, but its job takes what the first one left.
        jobs = [*first.program.jobs, type(job)(**vars(job) | {"activations": first.program.results.start})]
        # Zeros where the results will be: the words of ``second`` begin behind them.
        words = first.program.words + [0] * len(first.program.results) + second.program.words
        compare(await model.play(WordProgram(0, words, jobs, second.program.results)), second)


async def check_vn_scalar_order(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """An access goes before the command offered with it, and its word stays until it is taken; then the job runs."""
    await Model(driver, config, rng).streams.idle()
    product = random_words(config, rng, _shapes(config)[0])
    await Model(driver, config, rng).play(product.program)
    driver.set("i_memory__payload", config.access_word(0, product.program.results[0]))
    driver.set("i_command__payload", config.command_word(product.program.jobs[0]))
    for cycle in range(6):
        driver.set("i_memory__valid", int(cycle == 0))
        driver.set("i_command__valid", 1)
        driver.set("o__ready", int(cycle == 5))
        await driver.settle()
        # In cycle 0 the access goes first; its word then waits on ``o`` until cycle 5 takes it.
        assert driver.get("i_command__ready") == (cycle == 5), f"i_command__ready in cycle {cycle}"
        word = driver.get("o__payload") if driver.get("o__valid") else None
        assert word == (product.expected[0] if cycle else None), f"o offers {word} in cycle {cycle}"
        await driver.edge()
    driver.set("i_command__valid", 0)
    compare(await Model(driver, config, rng).play(product.program), product)


async def check_vn_scalar_corners(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """Operands at their extremes, through requantize parameters that pass, clamp and round."""
    sizes = [(3, 2 * config.activations_per_word + 1), (3, 1), (2, 1), (1, 1)]
    outputs, inputs = next(size for size in sizes if config.words(*size, 1) <= config.depth or size == (1, 1))
    await check_corners(driver, config, rng, outputs, inputs)


CHECKS = (
    check_vn_scalar_products,
    check_vn_scalar_chain,
    check_vn_scalar_order,
    check_vn_scalar_reset,
    check_vn_scalar_corners,
)
