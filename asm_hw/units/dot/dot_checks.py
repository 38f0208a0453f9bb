"""The checks of unit ``dot``: values by the golden model, streams by their rules."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch

from asm_hw.bench.driver import Driver, reset
from asm_hw.bench.operand_words import Operands, Word
from asm_hw.golden import dot
from asm_hw.numbers.integers import to_signed
from asm_hw.units.dot.dot_config import DotConfig

Beat = tuple[list[Word], bool, bool]
"""Activations, release, last."""
Load = list[list[Word]]
"""Weights by column and lane."""

TRAILING_CYCLES = 5
PACES = ((1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (0.3, 0.9, 0.9), (0.9, 0.3, 0.9), (0.9, 0.9, 0.3))
"""How often each of ``i``, ``i_weight`` and ``o`` is willing to move: none stalls, all do, one does."""


class _DotModel:
    """Feeds beats to a ``dot`` unit under random stalls and holds every sum to the golden model."""

    def __init__(self, driver: Driver, config: DotConfig, rng: random.Random):
        self.driver, self.config, self.rng = driver, config, rng
        self.operands = Operands(config)
        self.cycles = 0
        self._stalled: int | None = None  # the sum that was offered and not taken in the last cycle

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
                beats.append((codes, load(len(beats) + 1), position == length - 1))
                used.append(loads[-1])
            w = torch.tensor([[[value for _, value in column] for column in beat] for beat in used])
            x = torch.tensor([[value for _, value in beat[0]] for beat in beats[-length:]])
            expected.append(dot(w, x, self.config.accumulator.bits, self.config.overflow).tolist())
        codes, _, last = beats[-1]
        beats[-1] = (codes, True, last)  # what comes next brings weights of its own
        return beats, loads, expected

    async def run(
        self, beats: list[Beat], loads: list[Load], expected: list[list[int]], pace=PACES[0], most: int = -1
    ) -> None:
        """Stream until ``expected`` has left and nothing else does, or ``most`` cycles; ``pace``: see `PACES`."""
        beat, load, out, idle = 0, 0, 0, 0
        offered = [False, False]
        while out < len(expected) and most:
            most -= 1
            # A valid once raised stays up until it is taken, as the stream rules ask.
            offered[0] = beat < len(beats) and (offered[0] or self.rng.random() < pace[0])
            offered[1] = load < len(loads) and (offered[1] or self.rng.random() < pace[1])
            self.offer(beats[beat] if offered[0] else None, loads[load] if offered[1] else None)
            taken = await self._take(self.rng.random() < pace[2])
            if offered[0] and self.driver.get("i__ready"):
                beat, offered[0], idle = beat + 1, False, 0
            if offered[1] and self.driver.get("i_weight__ready"):
                load, offered[1] = load + 1, False
            if taken is not None:
                self._compare(out, taken, expected[out])
                out, idle = out + 1, 0
            idle += 1
            assert idle < 1_000, f"no progress for {idle} cycles: {beat} beats in, {out} sums out"
            await self.driver.edge()
            self.cycles += 1
        if most:
            assert (beat, load) == (len(beats), len(loads)), f"{beat} beats and {load} weight beats were taken"
            await self._trail()

    async def _take(self, ready: bool) -> int | None:
        """The raw sums that leave on the next edge; holds ``o`` to the stream rules."""
        other = [await self._offered(not ready)] if self.rng.random() < 0.25 else []
        sums = await self._offered(ready)
        assert other in ([], [sums]), f"o goes from {other[0]} to {sums} as o__ready becomes {ready}"
        assert self._stalled in (None, sums), f"o goes from {self._stalled} to {sums} while it is stalled"
        self._stalled = None if ready else sums
        return sums if ready else None

    async def _offered(self, ready: bool) -> int | None:
        """The raw sums on ``o`` under this ``o__ready``, None if there are none."""
        self.driver.set("o__ready", int(ready))
        await self.driver.settle()
        return self.driver.get("o__payload") if self.driver.get("o__valid") else None

    async def _trail(self) -> None:
        """No sum follows the last one."""
        self.offer(None, None)
        for _ in range(TRAILING_CYCLES):
            assert await self._take(True) is None, "a sum follows the last one"
            await self.driver.edge()

    def offer(self, beat: Beat | None, load: Load | None) -> None:
        """Drive both inputs; None is no offer."""
        config, driver = self.config, self.driver
        driver.set("i__valid", int(beat is not None))
        driver.set("i_weight__valid", int(load is not None))
        if beat is not None:
            x = sum(code << i * config.activation.code_bits for i, (code, _) in enumerate(beat[0]))
            flags = beat[1] | beat[2] << 1
            driver.set("i__payload", x | flags << config.lanes * config.activation.code_bits)
        if load is not None:
            codes = [code for column in load for code, _ in column]
            driver.set("i_weight__payload", sum(code << i * config.weight.code_bits for i, code in enumerate(codes)))

    def _compare(self, index: int, raw: int, expected: list[int]) -> None:
        bits = self.config.accumulator.bits
        got = [to_signed(raw >> i * bits & (1 << bits) - 1, bits) for i in range(self.config.columns)]
        assert got == expected, f"sum {index}: {got}, golden {expected}"


async def _idle(driver: Driver) -> None:
    for port in ("i__valid", "i_weight__valid", "o__ready"):
        driver.set(port, 0)
    await reset(driver)


async def check_dot_streams(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """Streaming, held and mixed weights, without stalls and under back-pressure of each stream."""
    for pace in PACES:
        for load in (lambda beat: True, lambda beat: beat == 0, lambda beat: beat % 3 == 0):
            await _idle(driver)
            model = _DotModel(driver, config, rng)
            beats, loads, expected = model.stimulus(25, load)
            await model.run(beats, loads, expected, pace)
            full_rate = config.weight_registers + len(beats) + config.latency  # a register is loaded first
            assert pace != PACES[0] or model.cycles == full_rate, (
                f"{model.cycles} cycles for {len(beats)} beats, not {full_rate}"
            )


async def check_dot_reset(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """A reset in the middle of a sum takes nothing and leaves nothing behind: no partial sum, no held beat."""
    for cycles in (1, 2, 3, 5, 8, 13):
        await _idle(driver)
        model = _DotModel(driver, config, rng)
        beats, loads, expected = model.stimulus(20, lambda beat: beat == 0)
        await model.run(beats, loads, expected, PACES[1], most=cycles)
        model.offer(beats[0], loads[0])
        driver.set("o__ready", cycles % 2)
        await reset(driver)
        assert not driver.get("o__valid"), f"o__valid is set after a reset at cycle {cycles}"
        fresh = _DotModel(driver, config, rng)
        await fresh.run(*fresh.stimulus(5, lambda beat: beat % 2 == 0), PACES[1])


async def check_dot_corners(driver: Driver, config: DotConfig, rng: random.Random) -> None:
    """Every lane at the extremes at once, long enough to reach the ends of a narrow accumulator."""
    await _idle(driver)
    model = _DotModel(driver, config, rng)
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
