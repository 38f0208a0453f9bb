"""What the benches of the von Neumann machines share: products as words in a memory, and playing them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TypeAlias

from asm_hw.bench.driver import Driver
from asm_hw.bench.operand_words import Operands, Word
from asm_hw.bench.stream_bench import Pace, StreamBench, paces
from asm_hw.units.channel_stimulus import corner_channels, random_channel
from asm_hw.units.memory_model import expected_outputs
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

from .word_program import (
    WordProgram,
    array_output_words,
    array_program,
    scalar_output_words,
    word_program,
)

Machine: TypeAlias = VnScalarConfig | VnArrayConfig
Shape = tuple[int, int, int]
"""Outputs, inputs and vectors."""

INPUTS = ("i_memory", "i_command")
PACES = paces(len(INPUTS))


@dataclass
class Product:
    """One matrix product: what to play, and the words that the golden model gives."""

    program: WordProgram
    expected: list[int]


def of_words(
    config: Machine, w: list[list[Word]], x: list[list[Word]], channels: list[dict[str, int]], start: int = 0
) -> Product:
    """A product of given words."""
    codes, values = ([[[word[i] for word in row] for row in words] for words in (w, x)] for i in (0, 1))
    encoded = [config.requantize.encode(channel) for channel in channels]
    outputs = expected_outputs(config, values[0], values[1], channels).tolist()
    if isinstance(config, VnScalarConfig):
        return Product(word_program(config, codes[0], codes[1], encoded, start), scalar_output_words(config, outputs))
    return Product(array_program(config, codes[0], codes[1], encoded, start), array_output_words(config, outputs))


def random_words(config: Machine, rng: random.Random, shape: Shape, start: int = 0) -> Product:
    """A product of ``outputs, inputs, vectors`` random code words, reserved ones and negative zeros too."""
    operands, (outputs, inputs, vectors) = Operands(config.product), shape
    w = [[operands.w.pick(rng) for _ in range(inputs)] for _ in range(outputs)]
    x = [[operands.x.pick(rng) for _ in range(inputs)] for _ in range(vectors)]
    return of_words(config, w, x, [random_channel(config, rng) for _ in range(outputs)], start)


class Model:
    """Plays programs under random stalls and holds what leaves the unit to the stream rules.

    ``cycles``: from the first command's offer until the first read of a result is taken.
    """

    def __init__(self, driver: Driver, config: Machine, rng: random.Random):
        self.config = config
        self.streams = StreamBench(driver, rng, INPUTS, patience=5_000)
        self.cycles = 0

    async def play(self, program: WordProgram, pace: Pace = PACES[0], limit: int | None = None) -> list[int]:
        """Write the words, start the jobs, read the results back; or stop ``limit`` cycles after the first command."""
        config, streams = self.config, self.streams
        writes = [config.access_word(1, address, word) for address, word in enumerate(program.words, program.start)]
        await streams.run({"i_memory": writes}, 0, pace)
        streams.offer("i_memory", None)
        await streams.run({"i_command": [config.command_word(job) for job in program.jobs]}, 0, pace, limit)
        streams.offer("i_command", None)
        self.cycles = streams.cycles
        reads = [config.access_word(0, address) for address in program.results]
        left = None if limit is None else limit - self.cycles
        words = await streams.run({"i_memory": reads}, len(reads), pace, left)
        streams.offer("i_memory", None)
        # The first read is taken as soon as the last job has ended.
        self.cycles += streams.cycles if streams.first_taken is None else streams.first_taken
        return words


def compare(got: list[int], product: Product) -> None:
    """The words read back against the golden model's."""
    for index, (word, golden) in enumerate(zip(got, product.expected, strict=True)):
        assert word == golden, f"word {index} of the outputs: {word:#x}, golden {golden:#x}"


async def check_products(driver: Driver, config: Machine, rng: random.Random, shapes: list[Shape]) -> None:
    """Random matrices of all shapes, without stalls in the cycles predicted, and under back-pressure of each stream."""
    for pace in PACES:
        model = Model(driver, config, rng)
        await model.streams.idle()
        for shape in shapes if pace == PACES[0] else shapes[-1:]:
            start = min(rng.randrange(2), config.depth - config.words(*shape))
            product = random_words(config, rng, shape, start)
            compare(await model.play(product.program, pace), product)
            predicted = config.cycles(product.program.jobs)
            assert pace != PACES[0] or model.cycles == predicted, f"{model.cycles} cycles for {shape}, not {predicted}"


async def check_corners(driver: Driver, config: Machine, rng: random.Random, outputs: int, inputs: int) -> None:
    """Products of ``outputs`` x ``inputs`` operands, all at their extremes at once, and as many vectors as fit.

    Their channels pass, clamp and round (`corner_channels`).
    """
    await Model(driver, config, rng).streams.idle()
    model, operands = Model(driver, config, rng), Operands(config.product)
    pairs = [(w, channel) for channel in corner_channels(config) for w in operands.w.corners]
    rng.shuffle(pairs)
    for first in range(0, min(len(pairs), 8 * outputs), outputs):
        taken = pairs[first : first + outputs]
        w, x = [[word] * inputs for word, _ in taken], [[word] * inputs for word in operands.x.corners]
        x = x[: next(n for n in range(len(x), 0, -1) if config.words(len(w), inputs, n) <= config.depth)]
        product = of_words(config, w, x, [channel for _, channel in taken])
        compare(await model.play(product.program), product)


async def check_reset(
    driver: Driver, config: Machine, rng: random.Random, shape: Shape, early: int, later: int
) -> None:
    """A reset in each of the ``early`` first cycles, in ``later`` others and after the end leaves nothing behind."""
    product = random_words(config, rng, shape)
    length = config.cycles(product.program.jobs)
    others = [rng.randrange(early + 1, max(early + 2, length)) for _ in range(later)]
    for cycles in [*range(1, early + 1), *others, length + 1]:
        model = Model(driver, config, rng)
        await model.streams.idle()
        await model.play(product.program, limit=cycles)
        await model.streams.interrupt(bool(cycles % 2))
        fresh = random_words(config, rng, shape)
        compare(await model.play(fresh.program, PACES[1]), fresh)
