"""Networks, arrays and inputs that the tests of whole networks on a bitline array share."""

from __future__ import annotations

from tiny_network import draw, last, requantizer

from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerLinear
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.report.engine_run import random_inputs

SMALL = {"rows": 24, "cols": 60}
"""An array of few words, on which layers take several tiles."""


def encoded_network():
    """Two matrix products whose values are on {1}, on both sides."""
    one = AlphabetSet((1,))
    operands = ProductFormat.of(alphabets=one, weight_bits=5, act_bits=4, act_alphabets=one)
    levels = operands.weight.levels.levels
    hidden = IntegerLinear(
        name="hidden", operands=operands, weight=draw(levels, (7, 30), 5),
        requantize=requantizer(7, 50, bits=4, encode=one),
    )  # fmt: skip
    end = IntegerLinear(name="end", operands=operands, weight=draw(levels, (3, 7), 6), requantize=last(3, 60))
    return IntegerNetwork(layers=(hidden, end), input_shape=(30,), input_scale=1.0, output_scale=1.0)


def inputs_of(network, images):
    """Random inputs, of an encoded network its levels."""
    levels = network.formats["input"].levels
    if levels is not None:
        return draw(levels.levels, (images, *network.input_shape), 9)
    return random_inputs(network, images, 9)
