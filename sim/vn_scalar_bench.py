"""The checks of unit ``vn_scalar``: products by the golden model, cycles by the configuration."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..config import VnArrayConfig, VnScalarConfig
from ..golden import near_memory
from ..network.words import WordProgram, pack, word_program
from .driver import Driver, reset
from .operands import Operands, Word, corner_channels, random_channel

INPUTS = ("i_memory", "i_command")
PACES = ((1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (0.3, 0.9, 0.9), (0.9, 0.2, 0.9), (0.9, 0.9, 0.3))
"""How often each of ``i_memory``, ``i_command`` and ``o`` is willing to move: none stalls, all do, one does."""


@dataclass
class Product:
    """One matrix product: what to play, and the words that the golden model gives."""

    program: WordProgram
    expected: list[int]


def of_words(
    config: VnScalarConfig, w: list[list[Word]], x: list[list[Word]], channels: list[dict], start: int = 0
) -> Product:
    """A product of given words."""
    codes, values = ([[[word[i] for word in row] for row in words] for words in (w, x)] for i in (0, 1))
    made = word_program(config, *codes, [config.requantize.encode(channel) for channel in channels], start)
    parts = {name: torch.tensor([channel[name] for channel in channels]) for name in channels[0]}
    outputs = near_memory(config, *map(torch.tensor, values), parts)
    return Product(made, packed_outputs(config, outputs.tolist()))


def packed_outputs(config: VnScalarConfig, outputs: Sequence[Sequence[int]]) -> list[int]:
    """Outputs [vectors][outputs] as the words that hold them."""
    mask = (1 << config.out_bits) - 1
    rows = [pack([value & mask for value in row], config.out_bits, config.bus_bits) for row in outputs]
    return [word for row in rows for word in row]


def random_words(config: VnScalarConfig, rng: random.Random, shape: tuple[int, int, int], start: int = 0) -> Product:
    """A product of ``outputs, inputs, vectors`` random code words, reserved ones and negative zeros too."""
    operands, (outputs, inputs, vectors) = Operands(config), shape
    w = [[operands.w.pick(rng) for _ in range(inputs)] for _ in range(outputs)]
    x = [[operands.x.pick(rng) for _ in range(inputs)] for _ in range(vectors)]
    return of_words(config, w, x, [random_channel(config, rng) for _ in range(outputs)], start)


class Model:
    """Plays programs under random stalls and holds what leaves the unit to the stream rules."""

    def __init__(self, driver: Driver, config: VnScalarConfig | VnArrayConfig, rng: random.Random):
        self.driver, self.config, self.rng = driver, config, rng
        self.cycles = 0  # from the first command's offer until the first word is read back
        self._offered = dict.fromkeys(INPUTS, False)
        self._stalled: int | None = None

    async def play(self, program: WordProgram, pace=PACES[0], most: int = -1) -> list[int]:
        """Write the words, start the jobs, read the results back; or stop ``most`` cycles after the first command."""
        config = self.config
        writes = [config.access_word(1, address, word) for address, word in enumerate(program.words, program.start)]
        await self._stream("i_memory", writes, pace, 0)
        self.cycles = 0
        jobs = [config.command_word(job) for job in program.jobs]
        await self._stream("i_command", jobs, pace, 0, most)
        reads = [config.access_word(0, address) for address in program.results]
        return await self._stream("i_memory", reads, pace, len(reads), most)

    async def _stream(self, stream: str, words: list[int], pace, wanted: int, most: int = -1) -> list[int]:
        """Offer ``words`` until all are taken and ``wanted`` words have left."""
        got: list[int] = []
        place = waited = 0
        while (place < len(words) or len(got) < wanted) and self.cycles != most:
            # A valid once raised stays up until it is taken, as the stream rules ask.
            due = place < len(words)
            self._offered[stream] = due and (self._offered[stream] or self.rng.random() < pace[INPUTS.index(stream)])
            taken = await self._cycle(stream, words[place] if self._offered[stream] else None, pace)
            got += taken
            moved = self._offered[stream] and self.driver.get(f"{stream}__ready")
            if moved:
                place, self._offered[stream] = place + 1, False
            waited = 0 if moved or taken else waited + 1
            assert waited < 5_000, f"{stream} does not move for {waited} cycles: {place} in, {len(got)} words out"
            await self.driver.edge()
            self.cycles += not (wanted and place)  # the memory may be accessed again
        self.driver.set(f"{stream}__valid", 0)
        return got

    async def _cycle(self, stream: str, word: int | None, pace) -> list[int]:
        """Set the inputs of one cycle; the word that leaves on the next edge. Holds ``o`` to the stream rules."""
        driver, ready = self.driver, self.rng.random() < pace[2]
        driver.set(f"{stream}__valid", int(word is not None))
        if word is not None:
            driver.set(f"{stream}__payload", word)
        driver.set("o__ready", int(ready))
        await driver.settle()
        out = driver.get("o__payload") if driver.get("o__valid") else None
        assert self._stalled in (None, out), f"o goes from {self._stalled} to {out} while it is stalled"
        self._stalled = None if ready else out
        return [out] if ready and out is not None else []


async def idle(driver: Driver) -> None:
    """Nothing offered, nothing taken, and a reset."""
    for stream in INPUTS:
        driver.set(f"{stream}__valid", 0)
    driver.set("o__ready", 0)
    await reset(driver)


def _shapes(config: VnScalarConfig) -> list[tuple[int, int, int]]:
    """Outputs, inputs and vectors: one of each, less and more than words hold, what ends with a word."""
    w, x, packed = config.weights_a_word, config.activations_a_word, config.outputs_a_word
    shapes = [(1, 1, 1), (2, w, 2), (3, x + 1, 1), (5, 1, 2)]
    shapes += [(packed, 4 * max(w, x), 1), (packed + 1, 3 * min(w, x) - 1, 2)]
    return [shape for shape in shapes if config.words(*shape) < config.depth]


def compare(got: list[int], product: Product) -> None:
    """The words read back against the golden model's."""
    for index, (word, golden) in enumerate(zip(got, product.expected, strict=True)):
        assert word == golden, f"word {index} of the outputs: {word:#x}, golden {golden:#x}"


async def check_vn_scalar_products(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
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


async def check_vn_scalar_chain(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """Outputs that are the activations of the next job: the memory holds them as one packs them from outside."""
    if config.out_bits != config.x_bits or config.activation is not None:
        return
    await idle(driver)
    model, values, operands = Model(driver, config, rng), dict(config.act_table), Operands(config)
    for _ in range(3):
        width = config.outputs_a_word + 1
        first = random_words(config, rng, (width, 3, 1))
        raw = first.program.gather(config, first.expected)[0]
        w = [[operands.w.pick(rng) for _ in range(width)] for _ in range(2)]
        channels = [random_channel(config, rng) for _ in w]
        second = of_words(config, w, [[(code, values[code]) for code in raw]], channels, first.program.results.stop)
        job = second.program.jobs[0]
        jobs = [*first.program.jobs, type(job)(**vars(job) | {"activations": first.program.results.start})]
        words = first.program.words + [0] * len(first.program.results) + second.program.words
        compare(await model.play(WordProgram(0, words, jobs, second.program.results)), second)


async def check_vn_scalar_order(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """An access goes before the command offered with it, and its word stays until it is taken; then the job runs."""
    await idle(driver)
    product = random_words(config, rng, _shapes(config)[0])
    await Model(driver, config, rng).play(product.program)
    driver.set("i_memory__payload", config.access_word(0, product.program.results[0]))
    driver.set("i_command__payload", config.command_word(product.program.jobs[0]))
    for cycle in range(6):
        driver.set("i_memory__valid", int(cycle == 0))
        driver.set("i_command__valid", 1)
        driver.set("o__ready", int(cycle == 5))
        await driver.settle()
        assert driver.get("i_command__ready") == (cycle == 5), f"i_command__ready in cycle {cycle}"
        word = driver.get("o__payload") if driver.get("o__valid") else None
        assert word == (product.expected[0] if cycle else None), f"o offers {word} in cycle {cycle}"
        await driver.edge()
    driver.set("i_command__valid", 0)
    compare(await Model(driver, config, rng).play(product.program), product)


async def check_vn_scalar_reset(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """A reset in the middle of a job takes nothing and leaves nothing behind."""
    product = random_words(config, rng, _shapes(config)[-1])
    length = config.cycles(product.program.jobs)
    for cycles in [*range(1, 9), *(rng.randrange(9, max(10, length)) for _ in range(4)), length + 1]:
        await idle(driver)
        await Model(driver, config, rng).play(product.program, most=cycles)
        driver.set("o__ready", cycles % 2)
        await reset(driver)
        assert not driver.get("o__valid"), f"o__valid is set after a reset at cycle {cycles}"
        await idle(driver)
        fresh = random_words(config, rng, _shapes(config)[-1])
        compare(await Model(driver, config, rng).play(fresh.program, PACES[1]), fresh)


async def check_vn_scalar_corners(driver: Driver, config: VnScalarConfig, rng: random.Random) -> None:
    """Operands at their extremes, through requantize parameters that pass, clamp and round."""
    await idle(driver)
    model, operands = Model(driver, config, rng), Operands(config)
    pairs = [(w, channel) for channel in corner_channels(config) for w in operands.w.corners]
    rng.shuffle(pairs)
    inputs = 2 * config.activations_a_word + 1
    for first in range(0, min(len(pairs), 24), 3):
        taken = pairs[first : first + 3]
        w, x = [[word] * inputs for word, _ in taken], [[word] * inputs for word in operands.x.corners]
        x = x[: next(n for n in range(len(x), 0, -1) if config.words(len(w), inputs, n) <= config.depth)]
        product = of_words(config, w, x, [channel for _, channel in taken])
        compare(await model.play(product.program), product)
