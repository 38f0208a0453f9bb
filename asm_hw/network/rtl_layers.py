"""Layers of an integer network as programs of an array: the matrix products, and near-memory streams of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.numbers.integers import signed_bits
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import Program, program

from .integer_layers import IntegerConv2d, IntegerLayer


def near_program(config: NearMemoryConfig, layer: IntegerLayer, x: Tensor) -> Program:
    """The streams of a whole layer, requantization included, for activations ``x`` [n, ...].

    Raises `ParameterError` where the unit's formats are not the layer's, its accumulators could overflow or its
    memory is too small, and for a grouped convolution, which is several products.
    """
    products = products_of(layer, x)
    if len(products) > 1:
        raise ParameterError(f"layer {layer.name!r} must have 1 group to be one product, not {len(products)}")
    unit, out = config.requantize, layer.requantize
    gives, wanted = _out_format(out.bits, out.signed, out.encode), _out_format(config.out_bits, config.out_signed)
    if gives != wanted:
        raise ParameterError(f"layer {layer.name!r} must give what the unit does, {wanted} outputs, not {gives}")
    if config.accumulator.bits < layer.acc_bits:
        min_bits = layer.acc_bits
        raise ParameterError(f"acc_bits must be at least {min_bits} for layer {layer.name!r}, not {config.acc_bits}")
    wide = [c["bias"] for c in out.channels if signed_bits(c["bias"], c["bias"]) > unit.bias_bits]
    if wide:
        raise ParameterError(f"layer {layer.name!r} must have biases of {unit.bias_bits} bits, not {wide[0]}")
    w_code, x_code = (
        {value: code for code, value in table} for table in (config.weight.table, config.activation.table)
    )
    weight, taken = products[0]
    w = _codes(weight, w_code, f"layer {layer.name!r} must have weights that unit {config.slug} has")
    vectors = _codes(taken, x_code, f"layer {layer.name!r} must have activations that unit {config.slug} has")
    return program(config, w, vectors, [unit.encode(channel) for channel in out.channels])


def _out_format(bits: int, signed: bool, encode: object = None) -> str:
    return f"{bits}-bit {'encoded' if encode is not None else 'signed' if signed else 'unsigned'}"


def _codes(values: Tensor, code: dict[int, int], must: str) -> list[list[int]]:
    missing = sorted(set(values.unique().tolist()) - code.keys())
    if missing:
        raise ParameterError(f"{must}, not {missing[0]}")
    return [[code[value] for value in row] for row in values.tolist()]


def products_of(layer: IntegerLayer, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The matrix products of a layer, one for each group of a convolution, for activations ``x`` [n, ...].

    Each is weights [outputs, inputs] and activation vectors [vectors, inputs]: rows of a matrix, or patches of the
    images; a group gives the outputs that follow those of the group before.
    """
    weight = layer.weight.flatten(1)
    if not isinstance(layer, IntegerConv2d):
        return [(weight, x.flatten(1))]
    kernel = tuple(layer.weight.shape[2:])
    # Small integers: float64 moves them exactly.
    patches = F.unfold(x.to(torch.float64), kernel, layer.dilation, layer.padding, layer.stride)
    vectors = patches.transpose(1, 2).flatten(0, 1).to(torch.int64)
    return list(zip(weight.chunk(layer.groups), vectors.chunk(layer.groups, 1), strict=True))
