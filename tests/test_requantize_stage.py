"""Requantize units against golden, and what their parameters can hold."""

from __future__ import annotations

import random

import pytest
import torch
from amaranth.hdl import Module
from amaranth.sim import Simulator

from asm_hw import golden
from asm_hw.errors import ParameterError
from asm_hw.formats.requantize_format import RequantizeFormat
from asm_hw.gateware.requantize_stage import RequantizeStage
from asm_hw.numbers.alphabets import AlphabetSet


@pytest.mark.parametrize(
    "config",
    [
        RequantizeFormat(AlphabetSet((1,)), acc_bits=20),
        RequantizeFormat(AlphabetSet((1, 3)), acc_bits=22, out_bits=8, out_signed=True),
        RequantizeFormat(AlphabetSet((1, 3, 5, 7)), acc_bits=12, out_bits=32, out_signed=True),
    ],
    ids=lambda config: str(config.alphabets),
)
def test_requantize_units_equal_golden(config):
    rng = random.Random(config.acc_bits)
    top, wide = 1 << config.acc_bits - 1, 1 << config.bias_bits - 1
    ends = [
        (acc, scale, bias, shift)
        for acc in (-top, top - 1)
        for scale in (config.scale.levels.min, config.scale.levels.max)
        for bias in (-wide, wide - 1)
        for shift in (0, 1, 31)
    ]
    drawn = [
        (
            rng.randrange(-top, top) >> rng.randrange(12),
            rng.choice(config.scale.levels.levels),
            rng.randrange(-wide, wide) >> rng.randrange(20),
            rng.randrange(32),
        )
        for _ in range(300)
    ]
    cases = ends + drawn
    columns = [torch.tensor(column) for column in zip(*cases, strict=True)]
    expected = golden.requantize(*columns, *config.out_range).tolist()
    top_module = Module()
    top_module.submodules.unit = unit = RequantizeStage(config)

    async def bench(context):
        for (acc, scale, bias, shift), y in zip(cases, expected, strict=True):
            context.set(unit.acc, acc)
            word = config.encode({"scale": scale, "bias": bias, "shift": shift})
            context.set(unit.channel, unit.channel.shape().from_bits(word))
            assert context.get(unit.y) == y, (acc, scale, bias, shift)

    simulator = Simulator(top_module)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ({"scale": 1, "bias": 0, "shift": 32}, "shift must be from 0 to 31, not 32"),
        ({"scale": 1, "bias": 0, "shift": -1}, "shift must be from 0 to 31, not -1"),
        ({"scale": 1, "bias": 1 << 60, "shift": 0}, f"bias must be from .*, not {1 << 60}"),
    ],
)
def test_parameters_that_a_channel_cannot_hold_are_refused(channel, words):
    with pytest.raises(ParameterError, match=words):
        RequantizeFormat(AlphabetSet((1,)), acc_bits=21).encode(channel)
