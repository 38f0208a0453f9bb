"""A small integer network with every kind of layer, its values drawn from a seed."""

from __future__ import annotations

import torch

from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLinear
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_requantize import Requantize, multiplier_code
from asm_hw.numbers.alphabets import AlphabetSet

SETS = AlphabetSet((1, 3))


def draw(values, shape, seed):
    """A tensor of ``shape`` with elements drawn from ``values``."""
    pick = torch.randint(0, len(values), shape, generator=torch.Generator().manual_seed(seed))
    return torch.tensor(values)[pick]


def operands_of(layer):
    """The formats of a layer's weights and activations, as the parameters of a unit."""
    return layer.operands.parameters


def vectors_of(maps):
    """A layer's outputs [n, ...] as rows [vectors][outputs], in the order of a matrix product."""
    return (maps if maps.dim() == 2 else maps.permute(0, 2, 3, 1).flatten(0, 2)).tolist()


def requantizer(outputs, seed, bits=8, signed=False, encode=None):
    levels = [m for m in multiplier_code(SETS).levels if abs(m) < 200]
    return Requantize(
        alphabets=SETS,
        scale=draw(levels, (outputs,), seed),
        bias=draw(range(-5000, 5000), (outputs,), seed + 1),
        shift=draw(range(0, 12), (outputs,), seed + 2),
        bits=bits,
        signed=signed,
        encode=encode,
    )


def last(outputs, seed):
    zero = torch.zeros(outputs, dtype=torch.int64)
    return Requantize(
        alphabets=SETS, scale=zero + 1, bias=draw(range(-99, 99), (outputs,), seed), shift=zero, bits=32, signed=True
    )


def tiny(act_alphabets=None, signed=False):
    """Two convolutions (strides, padding, groups) and two products, on inputs of (2, 7, 5)."""
    first = ProductFormat.of(alphabets=SETS, weight_bits=5, act_bits=6, act_signed=signed)
    config = ProductFormat.of(alphabets=SETS, weight_bits=5, act_bits=8, act_alphabets=act_alphabets)
    levels = config.weight.levels.levels
    return IntegerNetwork(
        layers=(
            IntegerConv2d(
                name="first", operands=first, weight=draw(levels, (4, 2, 3, 3), 1),
                requantize=requantizer(4, 10, encode=act_alphabets), stride=(2, 1), padding=(1, 0),
            ),
            IntegerConv2d(
                name="grouped", operands=config, weight=draw(levels, (6, 2, 2, 1), 2),
                requantize=requantizer(6, 20, encode=act_alphabets), groups=2,
            ),
            IntegerLinear(
                name="hidden", operands=config, weight=draw(levels, (5, 54), 3),
                requantize=requantizer(5, 30, encode=act_alphabets),
            ),
            IntegerLinear(name="last", operands=config, weight=draw(levels, (3, 5), 4), requantize=last(3, 40)),
        ),
        input_shape=(2, 7, 5), input_scale=0.125, output_scale=0.5,
    )  # fmt: skip
