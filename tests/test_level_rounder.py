"""Outputs on levels: hardware, in all of its inputs, as plain arithmetic says; fewer bits are a part of more."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.units.engine.level_rounder import LevelRounder

SETS = [(1,), (1, 3), (1, 5, 7), (1, 3, 5, 7, 9, 11, 13, 15)]


def nearest(levels, value):
    """The level nearest to ``value``, of two the one of smaller magnitude."""
    return min(levels, key=lambda level: (abs(level - value), abs(level)))


@pytest.mark.parametrize("alphabets", SETS)
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (8, True), (4, True), (3, False), (2, True)])
def test_every_number_goes_to_its_nearest_level(alphabets, bits, signed):
    """With the limits of the format, whose levels go less far than its numbers."""
    stored = ActivationFormat(bits, signed, AlphabetSet(alphabets))
    offset = 1 << bits - 1 if signed else 0
    values = [value for _, value in stored.table]
    rounder = LevelRounder(ActivationFormat(8, False, AlphabetSet(alphabets)))
    simulator = Simulator(rounder)
    low, high = stored.binary_range

    async def check(ctx):
        for value in range(low, high + 1):
            limited = max(stored.range[0], min(stored.range[1], value))
            ctx.set(rounder.y, limited + offset)
            ctx.set(rounder.offset, offset)
            for encode in (0, 1):
                ctx.set(rounder.encode, encode)
                expected = nearest(values, value) if encode else limited
                assert ctx.get(rounder.level) == expected + offset, (value, encode)

    simulator.add_testbench(check)
    simulator.run()
