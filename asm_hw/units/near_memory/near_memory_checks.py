"""The checks of unit ``near_memory``: matrix products by the golden model, cycles by the configuration."""

from __future__ import annotations

import random
from dataclasses import dataclass

from asm_hw.bench.driver import Driver, only_where
from asm_hw.bench.operand_words import Operands, Word
from asm_hw.bench.stream_bench import Pace, StreamBench, paces
from asm_hw.numbers.bit_fields import pack, unpack, unpack_signed
from asm_hw.units.channel_stimulus import corner_channels, passing_channel, random_channel
from asm_hw.units.memory_model import expected_outputs

from .near_memory_config import NearMemoryConfig
from .near_memory_program import Program, program

INPUTS = ("i_weight", "i_command", "i")
PACES = paces(len(INPUTS))


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

    def __post_init__(self) -> None:
        self.streams = StreamBench(self.driver, self.rng, INPUTS)

    def product(self, outputs: int, inputs: int, vectors: int, start: int = 0, passing: bool = False) -> _Product:
        """Random code words, reserved ones and negative zeros too; ``passing``: no output is clamped."""
        operands, pick = Operands(self.config.product), self.rng
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
        made = program(self.config, codes[0], codes[1], encoded, start)
        expected = expected_outputs(self.config, values[0], values[1], channels)
        return _Product(made, expected.tolist())

    async def write(self, product: _Product) -> None:
        """Fill the memory before anything else happens."""
        # Without a command nothing is read, so that each row is taken on the edge after its offer.
        for word in self._words(product)["i_weight"]:
            self.streams.offer("i_weight", word)
            await self.driver.edge()
        self.streams.offer("i_weight", None)
        product.written = len(product.program.rows)

    def _words(self, product: _Product) -> dict[str, list[int]]:
        """The payloads of each input stream that are still to come."""
        made, config = product.program, self.config
        first = made.blocks[0].row
        rows = list(enumerate(made.rows, first))[product.written :]
        return {
            "i_weight": [row | word << config.row_address_bits for row, word in rows],
            "i_command": [config.command_word(block) for block in made.blocks],
            "i": [pack(beat, config.activation.code_bits) for beat in made.x],
        }

    async def run(
        self,
        product: _Product,
        pace: Pace = PACES[0],
        limit: int | None = None,
        late: int = 0,
        next_product: _Product | None = None,
    ) -> None:
        """Stream until all outputs have left and nothing else does, or for ``limit`` cycles; judge every output.

        Activations come after ``late`` cycles. The rows of the ``next_product`` are written meanwhile.
        """
        words = self._words(product)
        own = len(words["i_weight"])
        if next_product:
            words["i_weight"] += self._words(next_product)["i_weight"]
            next_product.written = len(next_product.program.rows)

        def due(stream: str) -> bool:
            if stream == "i_command":  # its rows must have been written
                return self.streams.taken["i_weight"] >= own
            return stream != "i" or self.streams.cycles >= late

        groups = self.config.columns // self.config.beat_columns
        outputs = sum(block.vectors for block in product.program.blocks) * groups
        beats = await self.streams.run(words, outputs, pace, limit, due)
        if limit is None:
            self._compare(product, beats)
            await self.streams.trail()

    def _compare(self, product: _Product, raw: list[int]) -> None:
        elements = unpack_signed if self.config.out_signed else unpack
        beats = [elements(beat, self.config.out_bits, self.config.beat_columns) for beat in raw]
        for vector, (row, expected) in enumerate(zip(product.program.gather(beats), product.expected, strict=True)):
            assert row == expected, f"vector {vector}: {row}, golden {expected}"


def _shapes(config: NearMemoryConfig) -> list[tuple[int, int, int]]:
    """Outputs, inputs and vectors: less than the array, just it, and more where the memory holds it."""
    lanes, columns, hold = config.lanes, config.columns, config.hold
    shapes = [
        (max(1, columns - 1), max(1, lanes - 1), max(1, hold - 1)),
        (columns, lanes, hold),
        (columns, 3 * lanes, hold + 1),
        (columns + 1, 2 * lanes + 1, 2 * hold + 1),
    ]
    return [shape for shape in shapes if config.rows(*shape[:2]) <= config.depth]


async def check_near_memory_products(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Random matrices of all shapes, without stalls in the cycles predicted, and under back-pressure of each stream."""
    for pace in PACES:
        shapes = _shapes(config)
        for shape in shapes if pace == PACES[0] else shapes[-1:]:
            model = _Model(driver, config, rng)
            await model.streams.idle()
            # Not always from row 0, where the memory has a row to spare.
            product = model.product(*shape, start=min(rng.randrange(2), config.depth - config.rows(*shape[:2])))
            if pace == PACES[0]:
                await model.write(product)
            await model.run(product, pace)
            predicted = config.cycles(product.program.blocks)
            assert pace != PACES[0] or model.streams.cycles == predicted, (
                f"{model.streams.cycles} cycles for {shape}, not {predicted}"
            )


@only_where(lambda config: config.rows(config.columns, 2 * config.lanes) <= config.depth)
async def check_near_memory_late_activations(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Few vectors that come when two tiles are loaded: beats of the second follow those of the first at once."""
    shape = (config.columns, 2 * config.lanes)
    for vectors in (1, 1, 1, 1, min(2, config.hold)):
        model = _Model(driver, config, rng)
        await model.streams.idle()
        # Late enough that rows, command and both tiles are there before the first beat.
        await model.run(model.product(*shape, vectors, passing=True), late=2 * (config.rows(*shape) + 4))


def _groups(config: NearMemoryConfig) -> int:
    """Groups of columns, up to four, whose first tiles and parameters fit the memory."""
    return next(groups for groups in (4, 3, 2, 1) if config.rows(groups * config.columns, config.lanes) <= config.depth)


@only_where(lambda config: _groups(config) > 1)
async def check_near_memory_waiting_outputs(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Outputs that wait long: their parameters stay until they have left, though those of the next columns are due."""
    for _ in range(8):
        model = _Model(driver, config, rng)
        await model.streams.idle()
        # The output alone is slow: it is taken in one cycle of ten.
        await model.run(model.product(_groups(config) * config.columns, config.lanes, 1), (1.0, 1.0, 1.0, 0.1))


async def check_near_memory_blocks(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Products one after the other without a reset; the rows of the next are written under the compute of the first."""
    model = _Model(driver, config, rng)
    await model.streams.idle()
    half = config.depth // 2
    if config.columns + config.parameter_rows > half:
        for _ in range(3):
            await model.run(model.product(config.columns, config.lanes, config.hold))
        return
    # Halves of the memory in turn: one is written while the other computes.
    products = [model.product(config.columns, config.lanes, config.hold, start) for start in (0, half, 0, half)]
    for product, next_product in zip(products, [*products[1:], None], strict=True):
        await model.run(product, PACES[rng.randrange(2)], next_product=next_product)


async def check_near_memory_reset(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """A reset in the middle of a block takes nothing and leaves nothing behind."""
    columns, hold = config.columns, config.hold
    load = columns + config.parameter_rows
    # While the tile loads, after it, while parameters load, among the beats, behind the last one.
    for cycles in (1, 2, columns + 1, columns + 3, load + 3, load + 5 + hold // 2, load + 6 + hold):
        model = _Model(driver, config, rng)
        await model.streams.idle()
        product = model.product(columns, config.lanes, hold)
        await model.write(product)
        await model.run(product, limit=cycles)
        await model.streams.interrupt(bool(cycles % 2))
        await model.run(model.product(*_shapes(config)[-1]), PACES[1])


async def check_near_memory_corners(driver: Driver, config: NearMemoryConfig, rng: random.Random) -> None:
    """Every lane at the extremes at once, through requantize units that pass, clamp and round."""
    model = _Model(driver, config, rng)
    await model.streams.idle()
    operands = Operands(config.product)
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
    check_near_memory_waiting_outputs,
    check_near_memory_blocks,
    check_near_memory_reset,
    check_near_memory_corners,
)
