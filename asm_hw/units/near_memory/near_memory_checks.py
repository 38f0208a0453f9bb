"""The checks of unit ``near_memory``: matrix products by the golden model, cycles by the configuration."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import torch

from asm_hw.bench.driver import Driver, reset
from asm_hw.bench.operand_words import Operands, Word, corner_channels, passing_channel, random_channel
from asm_hw.golden import near_memory
from asm_hw.numbers.integers import to_signed

from .near_memory_config import NearMemoryConfig
from .near_memory_program import Program, program

INPUTS = ("i_weight", "i_command", "i")
TRAILING_CYCLES = 5
PACES = ((1.0, 1.0, 1.0, 1.0), (0.7, 0.7, 0.7, 0.7), (0.3, 0.9, 0.9, 0.9), (0.9, 0.9, 0.3, 0.9), (0.9, 0.9, 0.9, 0.3))
"""How often each of ``i_weight``, ``i_command``, ``i`` and ``o`` is willing to move: none stalls, all do, one does."""


@dataclass
class _Product:
    """One matrix product: what to stream, and the outputs that the golden model gives, [vectors, outputs]."""

    program: Program
    expected: list[list[int]]
    written: int = 0  # rows that are in the memory


@dataclass
class _Model:
    """Feeds a unit under random stalls and holds what leaves it to the golden model and to the stream rules."""

    driver: Driver
    config: NearMemoryConfig
    rng: random.Random
    cycles: int = 0
    stalled: int | None = None  # the outputs that were offered and not taken in the last cycle
    got: list[int] = field(default_factory=list)

    def product(self, outputs: int, inputs: int, vectors: int, start: int = 0, passing: bool = False) -> _Product:
        """Random code words, reserved ones and negative zeros too; ``passing``: no output is clamped."""
        operands, pick = Operands(self.config), self.rng
        w = [[operands.w.pick(pick) for _ in range(inputs)] for _ in range(outputs)]
        x = [[operands.x.pick(pick) for _ in range(inputs)] for _ in range(vectors)]
        channels = [
            passing_channel(self.config, inputs) if passing else random_channel(self.config, pick)
            for _ in range(outputs)
        ]
        return self.of_words(w, x, channels, start)

    def of_words(self, w: list[list[Word]], x: list[list[Word]], channels: list[dict], start: int = 0) -> _Product:
        """A product of given words."""
        codes, values = ([[[word[i] for word in row] for row in words] for words in (w, x)] for i in (0, 1))
        encoded = [self.config.requantize.encode(channel) for channel in channels]
        made = program(self.config, *codes, encoded, start)
        parts = {name: torch.tensor([channel[name] for channel in channels]) for name in channels[0]}
        expected = near_memory(self.config, *map(torch.tensor, values), parts)
        return _Product(made, expected.tolist())

    async def write(self, product: _Product) -> None:
        """Fill the memory before anything else happens."""
        for row, word in enumerate(product.program.rows, product.program.blocks[0].row):
            self._offer("i_weight", self._row(row, word))
            await self.driver.edge()
        self.driver.set("i_weight__valid", 0)
        product.written = len(product.program.rows)

    def _row(self, row: int, word: int) -> int:
        return row | word << self.config.row_address_bits

    def _offer(self, stream: str, word: int | None) -> None:
        self.driver.set(f"{stream}__valid", int(word is not None))
        if word is not None:
            self.driver.set(f"{stream}__payload", word)

    def _words(self, product: _Product) -> dict[str, list[int]]:
        """The payloads of each input stream that are still to come."""
        made, config = product.program, self.config
        first = made.blocks[0].row
        rows = list(enumerate(made.rows, first))[product.written :]
        return {
            "i_weight": [self._row(row, word) for row, word in rows],
            "i_command": [config.command_word(block) for block in made.blocks],
            "i": [sum(code << i * config.activation.code_bits for i, code in enumerate(beat)) for beat in made.x],
        }

    async def run(
        self, product: _Product, pace=PACES[0], most: int = -1, late: int = 0, following: _Product | None = None
    ) -> None:
        """Stream until all outputs have left and nothing else does, or ``most`` cycles; ``pace``: see `PACES`.

        Activations come after ``late`` cycles. The rows of the ``following`` product are written meanwhile.
        """
        words = self._words(product)
        own = len(words["i_weight"])
        if following:
            words["i_weight"] += self._words(following)["i_weight"]
            following.written = len(following.program.rows)
        places, offered = dict.fromkeys(INPUTS, 0), dict.fromkeys(INPUTS, False)
        self.got, self.cycles, self.stalled, idle = [], 0, None, 0
        groups = self.config.columns // self.config.beat_columns
        wanted = sum(block.vectors for block in product.program.blocks) * groups
        while (len(self.got) < wanted or places["i_weight"] < len(words["i_weight"])) and self.cycles != most:
            for stream, willing in zip(INPUTS, pace, strict=False):
                due = places[stream] < len(words[stream])
                if stream == "i_command":  # its rows must have been written
                    due = due and places["i_weight"] >= own
                if stream == "i":
                    due = due and self.cycles >= late
                # A valid once raised stays up until it is taken, as the stream rules ask.
                offered[stream] = due and (offered[stream] or self.rng.random() < willing)
                self._offer(stream, words[stream][places[stream]] if offered[stream] else None)
            taken = await self._take(self.rng.random() < pace[3])
            for stream in INPUTS:
                if offered[stream] and self.driver.get(f"{stream}__ready"):
                    places[stream], offered[stream], idle = places[stream] + 1, False, 0
            if taken is not None:
                self.got.append(taken)
                idle = 0
            idle += 1
            assert idle < 1_000, f"no progress for {idle} cycles: {places} in, {len(self.got)} beats out"
            await self.driver.edge()
            self.cycles += 1
        if self.cycles != most:
            self._compare(product)
            await self._trail()

    async def _take(self, ready: bool) -> int | None:
        """The raw outputs that leave on the next edge; holds ``o`` to the stream rules."""
        self.driver.set("o__ready", int(ready))
        await self.driver.settle()
        out = self.driver.get("o__payload") if self.driver.get("o__valid") else None
        assert self.stalled in (None, out), f"o goes from {self.stalled} to {out} while it is stalled"
        self.stalled = None if ready else out
        return out if ready else None

    async def _trail(self) -> None:
        for stream in INPUTS:
            self._offer(stream, None)
        for _ in range(TRAILING_CYCLES):
            assert await self._take(True) is None, "an output follows the last one"
            await self.driver.edge()

    def _compare(self, product: _Product) -> None:
        config, bits = self.config, self.config.out_bits
        beats = [[raw >> i * bits & (1 << bits) - 1 for i in range(config.beat_columns)] for raw in self.got]
        got = product.program.gather(beats)
        for vector, (row, expected) in enumerate(zip(got, product.expected, strict=True)):
            values = [to_signed(raw, bits) if config.out_signed else raw for raw in row]
            assert values == expected, f"vector {vector}: {values}, golden {expected}"


async def _idle(driver: Driver) -> None:
    for stream in INPUTS:
        driver.set(f"{stream}__valid", 0)
    driver.set("o__ready", 0)
    await reset(driver)


def _shapes(config: NearMemoryConfig) -> list[tuple[int, int, int]]:
    """Outputs, inputs and vectors: less than the array, just it, and more where the memory holds it."""
    lanes, columns, hold = config.lanes, config.columns, config.hold
    shapes = [
        (max(1, columns - 1), max(1, lanes - 1), max(1, hold - 1)),
        (columns, lanes, hold),
        (columns, 3 * lanes, hold + 1),
        (columns + 1, 2 * lanes + 1, 2 * hold + 1),
    ]
    return [shape for shape in shapes if config.rows(*shape[:2]) < config.depth]


async def check_near_memory_products(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Random matrices of all shapes, without stalls in the cycles predicted, and under back-pressure of each stream."""
    for pace in PACES:
        shapes = _shapes(config)
        for shape in shapes if pace == PACES[0] else shapes[-1:]:
            await _idle(driver)
            model = _Model(driver, config, rng)
            product = model.product(*shape, start=rng.randrange(2))
            if pace == PACES[0]:
                await model.write(product)
            await model.run(product, pace)
            predicted = config.cycles(product.program.blocks)
            assert pace != PACES[0] or model.cycles == predicted, f"{model.cycles} cycles for {shape}, not {predicted}"


async def check_near_memory_late_activations(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Few vectors that come when two tiles are loaded: beats of the second follow those of the first at once."""
    shape = (config.columns, 2 * config.lanes)
    if config.rows(*shape) > config.depth:
        return
    for vectors in (1, 1, 1, 1, min(2, config.hold)):
        await _idle(driver)
        model = _Model(driver, config, rng)
        await model.run(model.product(*shape, vectors, passing=True), late=2 * (config.rows(*shape) + 4))


async def check_near_memory_blocks(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Products one after the other without a reset; the rows of the next are written under the compute of the first."""
    await _idle(driver)
    model = _Model(driver, config, rng)
    half = config.depth // 2
    if config.columns + config.parameter_rows > half:
        for _ in range(3):
            await model.run(model.product(config.columns, config.lanes, config.hold))
        return
    products = [model.product(config.columns, config.lanes, config.hold, start) for start in (0, half, 0, half)]
    for product, following in zip(products, [*products[1:], None], strict=True):
        await model.run(product, PACES[rng.randrange(2)], following=following)


async def check_near_memory_reset(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """A reset in the middle of a block takes nothing and leaves nothing behind."""
    columns, hold = config.columns, config.hold
    load = columns + config.parameter_rows
    for cycles in (1, 2, columns + 1, columns + 3, load + 3, load + 5 + hold // 2, load + 6 + hold):
        await _idle(driver)
        model = _Model(driver, config, rng)
        product = model.product(columns, config.lanes, hold)
        await model.write(product)
        await model.run(product, most=cycles)
        driver.set("o__ready", cycles % 2)
        await reset(driver)
        assert not driver.get("o__valid"), f"o__valid is set after a reset at cycle {cycles}"
        await _idle(driver)
        fresh = _Model(driver, config, rng)
        await fresh.run(fresh.product(*_shapes(config)[-1]), PACES[1])


async def check_near_memory_corners(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Every lane at the extremes at once, through requantize units that pass, clamp and round."""
    await _idle(driver)
    model = _Model(driver, config, rng)
    operands = Operands(config)
    inputs = config.lanes * (2 if config.rows(1, 2 * config.lanes) <= config.depth else 1)
    pairs = [(w, channel) for channel in corner_channels(config) for w in operands.w.corners]
    rng.shuffle(pairs)
    for first in range(0, min(len(pairs), 8 * config.columns), config.columns):
        taken = pairs[first : first + config.columns]
        w = [[word] * inputs for word, _ in taken]
        x = [[word] * inputs for word in operands.x.corners]
        await model.run(model.of_words(w, x, [channel for _, channel in taken]))


CHECKS = (
    check_near_memory_products,
    check_near_memory_late_activations,
    check_near_memory_blocks,
    check_near_memory_reset,
    check_near_memory_corners,
)
