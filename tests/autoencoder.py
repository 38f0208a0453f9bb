"""The autoencoder of MLPerf Tiny's anomaly detection, with weights drawn from a seed."""

from __future__ import annotations

from itertools import pairwise

import torch

from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerLinear
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_requantize import Requantize
from asm_hw.numbers.alphabets import AlphabetSet

WIDTHS = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)


def autoencoder(widths=WIDTHS, seed=0, edge_bits=8):
    """Matrix products on {1}: 5-bit weights and 4-bit values, 8-bit weights and input at the edges."""
    alphabets, generator = AlphabetSet((1,)), torch.Generator().manual_seed(seed)
    layers = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        first, last = index == 0, index == len(widths) - 2
        operands = ProductFormat.of(alphabets, edge_bits if first or last else 5, edge_bits if first else 4, first)
        levels = torch.tensor(operands.weight.levels.levels)
        weight = levels[torch.randint(len(levels), (outputs, inputs), generator=generator)]
        one = torch.ones(outputs, dtype=torch.int64)
        shift = one * (int(inputs**0.5 * float(weight.double().std()) * (40 if first else 4) / 8)).bit_length()
        bias = torch.randint(0, 1 << int(shift[0]), (outputs,), generator=generator)
        requantize = Requantize(
            alphabets=alphabets, scale=one, bias=bias, shift=shift, bits=8 if last else 4, signed=last
        )
        layers.append(IntegerLinear(name=f"dense{index}", operands=operands, weight=weight, requantize=requantize))
    return IntegerNetwork(layers=tuple(layers), input_shape=widths[:1], input_scale=1.0, output_scale=1.0)
