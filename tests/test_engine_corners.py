"""Networks that once differed, or could, on an engine: each is a corner of the compiler."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_engine_networks import ENGINES, MEMORIES

from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.program_folder import ProgramFolder
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerConv2d
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_requantize import Requantize
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.report.engine_run import random_inputs, run_engine
from asm_hw.units.engine.engine_config import EngineConfig

ALPHABETS = AlphabetSet((1, 3))


def requantize(channels, bits=4, joins=False, shift=6, bias=None, scale=1, **given):
    """Some bias unless it is given."""
    one = torch.ones(channels, dtype=torch.int64)
    return Requantize(
        alphabets=ALPHABETS,
        scale=one * scale,
        bias=torch.arange(channels) * 7 if bias is None else one * bias,
        shift=one * shift,
        bits=bits,
        signed=given.pop("signed", False),
        skip_scale=one if joins else None,
        skip_shift=one * 5 if joins else None,
        **given,
    )


def conv(name, source, inputs, outputs, kernel=(1, 1), padding=(0, 0), joins=None, operands=None):
    operands = operands or ProductFormat.of(ALPHABETS, 5, 4, False)
    levels = torch.tensor(operands.weight.levels.levels)
    draw = torch.Generator().manual_seed(inputs * outputs)
    return IntegerConv2d(
        name=name,
        sources=(source, joins) if joins else (source,),
        padding=padding,
        operands=operands,
        weight=levels[torch.randint(len(levels), (outputs, inputs, *kernel), generator=draw)],
        requantize=requantize(outputs, joins=joins is not None),
    )


def move(name, source, action, *arguments):
    return IntegerMove(name=name, sources=(source,), action=action, arguments=arguments)


def copied(name, source, channels, **given):
    return IntegerSum(name=name, sources=(source,), requantize=requantize(channels, shift=0, **given))


START = conv("a", "input", 4, 8)
CORNERS: dict[str, tuple[list[Any], tuple[int, ...]]] = {
    "a residual in place behind cycles that fill the window": (
        [START, conv("b", "a", 8, 8), conv("c", "b", 8, 8, (5, 5), (2, 2), "a")],
        (4, 8, 4),
    ),
    "zeros around a crop": (
        [START, move("s", "a", "slice", 1, 8, 1, 0, 4, 1, 0, 3, 1), move("p", "s", "pad", 0, 2, 0, 2, 0, 0), conv("b", "p", 7, 8)],
        (4, 8, 3),
    ),
    "a clamp between two moves": (
        [
            copied("a0", "input", 4),
            IntegerConcat(name="a", sources=("a0", "a0"), count=2),
            copied("s", "a", 8, bias=0, limits=(0, 6)),
            move("m", "s", "slice", 0, 8, 2, 0, 8, 1, 0, 3, 1),
            conv("b", "m", 4, 8),
        ],
        (4, 8, 3),
    ),
    "a wide sum over the whole map, with limits": (
        [
            START,
            IntegerSumPool(
                name="p", sources=("a",), kernel=(8, 3), stride=(1, 1),
                requantize=requantize(8, 32, bias=-100, shift=0, signed=True, limits=(0, (1 << 31) - 1)),
            ),
        ],
        (4, 8, 3),
    ),
    "a slice of two dimensions": ([copied("a", "input", 4), move("m", "a", "slice", 0, 4, 1, 2, 9, 2)], (4, 11)),
    "another name of an early tensor as the result": (
        [START, conv("b", "a", 8, 8), move("r", "a", "reshape", 8, 8, 3)],
        (4, 8, 3),
    ),
    "the largest of one pixel of a signed pad": (
        [
            copied("a", "input", 4, bias=-9, signed=True),
            move("p", "a", "pad", 1, 1, 1, 1, 0, 0),
            IntegerMaxPool(name="m", sources=("p",), kernel=(1, 1), stride=(1, 1)),
        ],
        (4, 8, 3),
    ),
    "the largest of signed numbers in two digits": (
        [
            START,
            IntegerSum(name="w", sources=("a",), requantize=requantize(8, 8, scale=16, bias=-120, shift=0, signed=True)),
            IntegerMaxPool(name="m", sources=("w",), kernel=(3, 2), stride=(2, 1)),
        ],
        (4, 8, 3),
    ),
    "channels in another order, some twice": (
        [START, move("s", "a", "select", 7, 0, 0, 3, 5, 1), conv("b", "s", 6, 5)],
        (4, 6, 3),
    ),
    "rows in the place of channels": ([START, move("p", "a", "permute", 1, 0, 2), conv("b", "p", 6, 5)], (4, 6, 3)),
    "columns in the place of channels": (
        [copied("a", "input", 4, bias=-9, signed=True), move("p", "a", "permute", 2, 1, 0)],
        (4, 5, 7),
    ),
    "channels last, then rows and columns in each other's place": (
        [START, move("p", "a", "permute", 1, 2, 0), move("q", "p", "permute", 0, 2, 1), conv("b", "q", 3, 5)],
        (4, 3, 4),
    ),
    "a row in the place of channels": (
        [copied("a", "input", 4), move("p", "a", "permute", 1, 0), move("r", "p", "reshape", 9, 1, 4), conv("b", "r", 9, 5)],
        (4, 9),
    ),
    "tensors below and beside one another": (
        [
            START,
            conv("b", "a", 8, 8, (3, 3), (1, 1)),
            IntegerConcat(name="below", sources=("a", "b", "a"), count=3, dim=2),
            move("s", "below", "slice", 0, 8, 1, 2, 7, 2, 0, 3, 1),
            IntegerConcat(name="beside", sources=("s", "s"), count=2, dim=3),
            conv("c", "beside", 8, 5),
        ],
        (4, 4, 3),
    ),
    "windows beyond the map": (
        [
            copied("a", "input", 4, bias=-9, signed=True),
            IntegerMaxPool(name="m", sources=("a",), kernel=(3, 2), stride=(2, 2), ceil_mode=True),
            IntegerSumPool(
                name="p", sources=("a",), kernel=(3, 3), stride=(2, 2), padding=(1, 0), ceil_mode=True,
                requantize=requantize(4, shift=2),
            ),
        ],
        (4, 8, 7),
    ),
    "windows of wide numbers beyond the map": (
        [
            IntegerSum(name="w", sources=("input",), requantize=requantize(4, 8, scale=16, shift=0)),
            IntegerMaxPool(name="m", sources=("w",), kernel=(3, 2), stride=(2, 2), ceil_mode=True),
        ],
        (4, 8, 7),
    ),
    "the input joins": (
        [START, conv("b", "a", 8, 4, (3, 3), (1, 1), "input"), conv("c", "b", 4, 4, (3, 3), (1, 1), "input")],
        (4, 8, 6),
    ),
}  # fmt: skip


def corner(name):
    layers, shape = CORNERS[name]
    return IntegerNetwork(
        layers=tuple(layers),
        input_shape=shape,
        input_scale=1.0,
        output_scale=1.0,
        input_format=ActivationFormat(4),
    )


def check(network, emitted, config):
    report = run_engine(ProgramFolder(compile_network(network, config), network, emitted), random_inputs(network, 3, 1))
    assert report.mismatches == 0, report.first_difference
    assert report.compared > 0
    assert report.as_predicted


@pytest.mark.parametrize("name", CORNERS)
def test_a_corner_equals_golden(name, emit_once):
    check(corner(name), emit_once(ENGINES["windows"]), ENGINES["windows"])


@pytest.mark.full
def test_accumulators_that_are_not_whole_digits(emit_once):
    config = EngineConfig(alphabets=(1, 3), lanes=18, taps=9, columns=4, hold=8, acc_bits=19, **MEMORIES)
    check(corner("the input joins"), emit_once(config), config)


def test_exact_lanes_of_four_bits_take_wide_weights_in_digits_with_signs(emit_once):
    """-128 to 127 need three of them, -120 to 119 two."""
    everything = AlphabetSet((1, 3, 5, 7, 9, 11, 13, 15))
    wide = conv("a", "input", 4, 8, (3, 3), (1, 1), operands=ProductFormat.of(everything, 8, 4, False))
    assert wide.weight.max() >= 120
    layers = (wide, conv("b", "a", 8, 6, operands=ProductFormat.of(everything, 4, 4, False)))
    network = IntegerNetwork(
        layers=layers, input_shape=(4, 5, 4), input_scale=1.0, output_scale=1.0, input_format=ActivationFormat(4)
    )
    config = EngineConfig(
        arithmetic="exact", weight_bits=4, alphabets=(1, 3, 5, 7, 9, 11, 13, 15), lanes=18, taps=9, columns=4, hold=8,
        **MEMORIES,
    )  # fmt: skip
    check(network, emit_once(config), config)
