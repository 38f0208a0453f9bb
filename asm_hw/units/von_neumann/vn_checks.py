"""What the benches of the von Neumann machines share: products as words in a memory, and playing them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from asm_hw.bench.driver import Driver, reset
from asm_hw.bench.operand_words import Operands, Word, random_channel
from asm_hw.golden import near_memory
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

from .word_program import WordProgram, array_program, pack, split, word_program

Machine: TypeAlias = VnScalarConfig | VnArrayConfig
Shape = tuple[int, int, int]
"""Outputs, inputs and vectors."""

INPUTS = ("i_memory", "i_command")
PACES = ((1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (0.3, 0.9, 0.9), (0.9, 0.2, 0.9), (0.9, 0.9, 0.3))
"""How often each of ``i_memory``, ``i_command`` and ``o`` is willing to move: none stalls, all do, one does."""


@dataclass
class Product:
    """One matrix product: what to play, and the words that the golden model gives."""

    program: WordProgram
    expected: list[int]


def of_words(
    config: Machine, w: list[list[Word]], x: list[list[Word]], channels: list[dict], start: int = 0
) -> Product:
    """A product of given words."""
    codes, values = ([[[word[i] for word in row] for row in words] for words in (w, x)] for i in (0, 1))
    lay_out: Any
    lay_out, packed = (
        (word_program, _scalar_words) if isinstance(config, VnScalarConfig) else (array_program, _array_words)
    )
    made = lay_out(config, *codes, [config.requantize.encode(channel) for channel in channels], start)
    parts = {name: torch.tensor([channel[name] for channel in channels]) for name in channels[0]}
    outputs = near_memory(config, *map(torch.tensor, values), parts)
    return Product(made, packed(config, outputs.tolist()))


def _scalar_words(config: VnScalarConfig, outputs: Sequence[Sequence[int]]) -> list[int]:
    """Outputs [vectors][outputs] as the words that hold them."""
    mask = (1 << config.out_bits) - 1
    rows = [pack([value & mask for value in row], config.out_bits, config.bus_bits) for row in outputs]
    return [word for row in rows for word in row]


def _array_words(config: VnArrayConfig, outputs: Sequence[Sequence[int]]) -> list[int]:
    """Outputs [vectors][outputs] as the words that hold them, beats padded with zeros."""
    mask, count, words = (1 << config.out_bits) - 1, config.beat_columns, []
    for row in outputs:
        padded = [value & mask for value in row] + [0] * (-len(row) % config.columns)
        for first in range(0, len(padded), count):
            beat = pack(padded[first : first + count], config.out_bits, count * config.out_bits)[0]
            words += split(beat, config.bus_bits, config.output_words)
    return words


def random_words(config: Machine, rng: random.Random, shape: Shape, start: int = 0) -> Product:
    """A product of ``outputs, inputs, vectors`` random code words, reserved ones and negative zeros too."""
    operands, (outputs, inputs, vectors) = Operands(config), shape
    w = [[operands.w.pick(rng) for _ in range(inputs)] for _ in range(outputs)]
    x = [[operands.x.pick(rng) for _ in range(inputs)] for _ in range(vectors)]
    return of_words(config, w, x, [random_channel(config, rng) for _ in range(outputs)], start)


class Model:
    """Plays programs under random stalls and holds what leaves the unit to the stream rules."""

    def __init__(self, driver: Driver, config: Machine, rng: random.Random):
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


def compare(got: list[int], product: Product) -> None:
    """The words read back against the golden model's."""
    for index, (word, golden) in enumerate(zip(got, product.expected, strict=True)):
        assert word == golden, f"word {index} of the outputs: {word:#x}, golden {golden:#x}"


async def check_products(driver: Driver, config: Machine, rng: random.Random, shapes: list[Shape]) -> None:
    """Random matrices of all shapes, without stalls in the cycles predicted, and under back-pressure of each stream."""
    for pace in PACES:
        await idle(driver)
        model = Model(driver, config, rng)
        for shape in shapes if pace == PACES[0] else shapes[-1:]:
            product = random_words(config, rng, shape, start=rng.randrange(2))
            compare(await model.play(product.program, pace), product)
            predicted = config.cycles(product.program.jobs)
            assert pace != PACES[0] or model.cycles == predicted, f"{model.cycles} cycles for {shape}, not {predicted}"


async def check_reset(
    driver: Driver, config: Machine, rng: random.Random, shape: Shape, early: int, later: int
) -> None:
    """A reset in each of the ``early`` first cycles, in ``later`` others and after the end leaves nothing behind."""
    product = random_words(config, rng, shape)
    length = config.cycles(product.program.jobs)
    others = [rng.randrange(early + 1, max(early + 2, length)) for _ in range(later)]
    for cycles in [*range(1, early + 1), *others, length + 1]:
        await idle(driver)
        await Model(driver, config, rng).play(product.program, most=cycles)
        driver.set("o__ready", cycles % 2)
        await reset(driver)
        assert not driver.get("o__valid"), f"o__valid is set after a reset at cycle {cycles}"
        await idle(driver)
        fresh = random_words(config, rng, shape)
        compare(await Model(driver, config, rng).play(fresh.program, PACES[1]), fresh)
