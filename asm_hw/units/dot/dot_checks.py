"""The checks of unit ``dot``: values by the golden model, streams by their rules."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch

from asm_hw.bench.driver import Driver
from asm_hw.bench.operand_words import Operands, Word
from asm_hw.bench.stream_bench import Pace, StreamBench, paces
from asm_hw.golden import dot
from asm_hw.numbers.bit_fields import pack, unpack_signed

from .dot_config import DotConfig

Beat = tuple[list[Word], bool, bool]
"""Activations, release, last."""
Load = list[list[Word]]
"""Weights by column and lane."""

PACES = paces(inputs=2)


class _DotModel:
    """Feeds beats to a ``dot`` unit under random stalls and holds every sum to the golden model."""

    def __init__(self, driver: Driver, config: DotConfig, rng: random.Random):
        self.config, self.rng = config, rng
        self.operands = Operands(config.product)
        self.streams = StreamBench(driver, rng, ("i", "i_weight"))

    def weights(self) -> Load:
        """One random weight beat."""
        pick = self.operands.w.pick
        return [[pick(self.rng) for _ in range(self.config.lanes)] for _ in range(self.config.columns)]

    def stimulus(self, sums: int, load: Callable[[int], bool]) -> tuple[list[Beat], list[Load], list[list[int]]]:
        """Beats, weight beats and the expected sums; ``load`` says which beats are the first to use new weights."""
        beats: list[Beat] = []
        loads: list[Load] = []
        expected = []
        for _ in range(sums):
            used, length = [], self.rng.randint(1, 5)
            for position in range(length):
                if load(len(beats)):
                    loads.append(self.weights())
                codes = [self.operands.x.pick(self.rng) for _ in range(self.config.lanes)]
                # A beat releases its weights where the next one brings its own.
                beats.append((codes, load(len(beats) + 1), position == length - 1))
                used.append(loads[-1])
            w = torch.tensor([[[value for _, value in column] for column in beat] for beat in used])
            x = torch.tensor([[value for _, value in beat[0]] for beat in beats[-length:]])
            expected.append(dot(w, x, self.config.accumulator.bits, self.config.overflow).tolist())
        codes, _, last = beats[-1]
        beats[-1] = (codes, True, last)  # what comes next brings weights of its own
        return beats, loads, expected

    async def run(
        self,
        beats: list[Beat],
        loads: list[Load],
        expected: list[list[int]],
        pace: Pace = PACES[0],
        limit: int | None = None,
    ) -> None:
        """Stream until all sums have left and nothing else does, or for ``limit`` cycles; judge every sum."""
        words = {"i": [self.beat_word(beat) for beat in beats], "i_weight": [self.load_word(load) for load in loads]}
        sums = await self.streams.run(words, len(expected), pace, limit)
        for index, (raw, golden) in enumerate(zip(sums, expected, strict=limit is None)):
            got = unpack_signed(raw, self.config.accumulator.bits, self.config.columns)
            assert got == golden, f"sum {index}: {got}, golden {golden}"
        if limit is None:
            await self.streams.trail()

    def beat_word(self, beat: Beat) -> int:
        """A beat as the payload of ``i``."""
        codes, release, last = beat
        x = pack((code for code, _ in codes), self.config.activation.code_bits)
        return x | (release | last << 1) << self.config.lanes * self.config.activation.code_bits

    def load_word(self, load: Load) -> int:
        """Weights as the payload of ``i_weight``."""
        return pack((code for column in load for code, _ in column), self.config.weight.code_bits)


async def check_dot_streams(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """Streaming, held and mixed weights, without stalls and under back-pressure of each stream."""
    for pace in PACES:
        for load in (lambda beat: True, lambda beat: beat == 0, lambda beat: beat % 3 == 0):
            model = _DotModel(driver, config, rng)
            await model.streams.idle()
            beats, loads, expected = model.stimulus(25, load)
            await model.run(beats, loads, expected, pace)
            full_rate = config.weight_registers + len(beats) + config.latency  # a register is loaded first
            assert pace != PACES[0] or model.streams.cycles == full_rate, (
                f"{model.streams.cycles} cycles for {len(beats)} beats, not {full_rate}"
            )


async def check_dot_reset(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """A reset in the middle of a sum takes nothing and leaves nothing behind: no partial sum, no held beat."""
    for cycles in (1, 2, 3, 5, 8, 13):
        model = _DotModel(driver, config, rng)
        await model.streams.idle()
        beats, loads, expected = model.stimulus(20, lambda beat: beat == 0)
        await model.run(beats, loads, expected, PACES[1], limit=cycles)
        # Offered under the reset itself: neither stream may take them.
        offers = {"i": model.beat_word(beats[0]), "i_weight": model.load_word(loads[0])}
        await model.streams.interrupt(bool(cycles % 2), offers)
        await model.run(*model.stimulus(5, lambda beat: beat % 2 == 0), PACES[1])


async def check_dot_corners(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """Every lane at the extremes at once, long enough to reach the ends of a narrow accumulator."""
    model = _DotModel(driver, config, rng)
    await model.streams.idle()
    for w, x in model.operands.corners():
        length = 6
        beats: list[Beat] = [([x] * config.lanes, i == length - 1, i == length - 1) for i in range(length)]
        values = torch.full((length, config.columns, config.lanes), w[1])
        expected = dot(values, torch.full((length, config.lanes), x[1]), config.accumulator.bits, config.overflow)
        await model.run(beats, [[[w] * config.lanes] * config.columns], [expected.tolist()])


CHECKS = (
    check_dot_streams,
    check_dot_reset,
    check_dot_corners,
)
