"""The checks of unit ``vn_array``: products by the golden model, cycles by the configuration."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from ..config import VnArrayConfig
from ..golden import near_memory
from ..network.words import array_program, pack, split
from .driver import Driver, reset
from .operands import Operands, Word, corner_channels, random_channel
from .vn_scalar_bench import PACES, Model, Product, compare, idle


def packed_outputs(config: VnArrayConfig, outputs: Sequence[Sequence[int]]) -> list[int]:
    """Outputs [vectors][outputs] as the words that hold them, beats padded with zeros."""
    mask, count, words = (1 << config.out_bits) - 1, config.beat_columns, []
    for row in outputs:
        padded = [value & mask for value in row] + [0] * (-len(row) % config.columns)
        for first in range(0, len(padded), count):
            beat = pack(padded[first : first + count], config.out_bits, count * config.out_bits)[0]
            words += split(beat, config.bus_bits, config.output_words)
    return words


def of_words(
    config: VnArrayConfig, w: list[list[Word]], x: list[list[Word]], channels: list[dict], start: int = 0
) -> Product:
    """A product of given words."""
    codes, values = ([[[word[i] for word in row] for row in words] for words in (w, x)] for i in (0, 1))
    made = array_program(config, *codes, [config.requantize.encode(channel) for channel in channels], start)
    parts = {name: torch.tensor([channel[name] for channel in channels]) for name in channels[0]}
    outputs = near_memory(config, *map(torch.tensor, values), parts)
    return Product(made, packed_outputs(config, outputs.tolist()))


def random_words(config: VnArrayConfig, rng: random.Random, shape: tuple[int, int, int], start: int = 0) -> Product:
    """A product of ``outputs, inputs, vectors`` random code words, reserved ones and negative zeros too."""
    operands, (outputs, inputs, vectors) = Operands(config), shape
    w = [[operands.w.pick(rng) for _ in range(inputs)] for _ in range(outputs)]
    x = [[operands.x.pick(rng) for _ in range(inputs)] for _ in range(vectors)]
    return of_words(config, w, x, [random_channel(config, rng) for _ in range(outputs)], start)


def _shapes(config: VnArrayConfig) -> list[tuple[int, int, int]]:
    """Outputs, inputs and vectors: less than the array, just it, and more where the memory holds it."""
    lanes, columns, hold = config.lanes, config.columns, config.hold
    shapes = [
        (max(1, columns - 1), max(1, lanes - 1), 1),
        (columns, lanes, hold),
        (columns, 3 * lanes, hold + 1),
        (columns + 1, 2 * lanes + 1, 2 * hold + 1),
    ]
    return [shape for shape in shapes if config.words(*shape) < config.depth]


async def check_vn_array_products(driver: Driver, config: VnArrayConfig, rng: random.Random) -> None:
    """Random matrices of all shapes, without stalls in the cycles predicted, and under back-pressure of each stream."""
    for pace in PACES:
        await idle(driver)
        model = Model(driver, config, rng)
        shapes = _shapes(config)
        for shape in shapes if pace == PACES[0] else shapes[-1:]:
            product = random_words(config, rng, shape, start=rng.randrange(2))
            compare(await model.play(product.program, pace), product)
            predicted = config.cycles(product.program.jobs)
            assert pace != PACES[0] or model.cycles == predicted, f"{model.cycles} cycles for {shape}, not {predicted}"


async def check_vn_array_reset(driver: Driver, config: VnArrayConfig, rng: random.Random) -> None:
    """A reset in the middle of a block takes nothing and leaves nothing behind."""
    product = random_words(config, rng, _shapes(config)[-1])
    length = config.cycles(product.program.jobs)
    for cycles in [*range(1, 7), *(rng.randrange(7, length) for _ in range(8)), length + 1]:
        await idle(driver)
        await Model(driver, config, rng).play(product.program, most=cycles)
        driver.set("o__ready", cycles % 2)
        await reset(driver)
        assert not driver.get("o__valid"), f"o__valid is set after a reset at cycle {cycles}"
        await idle(driver)
        fresh = random_words(config, rng, _shapes(config)[-1])
        compare(await Model(driver, config, rng).play(fresh.program, PACES[1]), fresh)


async def check_vn_array_corners(driver: Driver, config: VnArrayConfig, rng: random.Random) -> None:
    """Every lane at the extremes at once, through requantize parameters that pass, clamp and round."""
    await idle(driver)
    model, operands = Model(driver, config, rng), Operands(config)
    pairs = [(w, channel) for channel in corner_channels(config) for w in operands.w.corners]
    rng.shuffle(pairs)
    for first in range(0, min(len(pairs), 8 * config.columns), config.columns):
        taken = pairs[first : first + config.columns]
        w = [[word] * config.lanes for word, _ in taken]
        x = [[word] * config.lanes for word in operands.x.corners]
        x = x[: next(n for n in range(len(x), 0, -1) if config.words(len(w), config.lanes, n) <= config.depth)]
        product = of_words(config, w, x, [channel for _, channel in taken])
        compare(await model.play(product.program), product)
