"""Runs the layers of an integer network on an emitted array and compares every sum with golden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.numbers.integers import signed_bits
from asm_hw.units.dot.dot_beats import Beats, schedule
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import Program, program

from .integer_layers import IntegerConv2d, IntegerLayer
from .integer_network import IntegerNetwork
from .integer_node import INPUT

Play = Callable[[Beats], tuple[np.ndarray, int]]
"""Streams beats through the array: (sums [sums, columns], clock cycles)."""


@dataclass(frozen=True)
class LayerRun:
    """What one layer did on the array: multiply-accumulates, cycles, sums compared and sums that differ."""

    name: str
    macs: int
    cycles: int
    weights_held: bool
    outputs: int
    mismatches: int


def run_network(
    network: IntegerNetwork, config: DotConfig, play: Play, x: Tensor, done: Callable[[LayerRun], None] | None = None
) -> tuple[Tensor, list[LayerRun]]:
    """The network's outputs with every matrix product done by the array, and what each layer did.

    Each layer takes what the array gave for the layers before; its accumulators are compared with the
    golden model's, whose own tensors start from the same ``x`` [n, ...]. What is no product is golden's.
    """
    got, expected, runs = {INPUT: x}, {INPUT: x}, []
    for layer, sources in zip(network.layers, network.sources, strict=True):
        mine, theirs = ([tensors[source] for source in sources] for tensors in (got, expected))
        if not isinstance(layer, IntegerLayer):
            got[layer.name], expected[layer.name] = layer.forward(*mine), layer.forward(*theirs)
            continue
        golden = layer.accumulate(theirs[0])
        acc, cycles, held = _accumulate(config, play, layer, mine[0])
        acc = _as_output(acc, golden)
        macs = golden.numel() * layer.terms
        runs.append(LayerRun(layer.name, macs, cycles, held, golden.numel(), int((acc != golden).sum())))
        if done:
            done(runs[-1])
        got[layer.name], expected[layer.name] = layer.finish(acc, *mine[1:]), layer.finish(golden, *theirs[1:])
    return got[network.layers[-1].name], runs


def _accumulate(config: DotConfig, play: Play, layer: IntegerLayer, x: Tensor) -> tuple[Tensor, int, bool]:
    """The sums of a layer [vectors, outputs] by the array, the cycles, and whether weights were held."""
    sums, cycles = [], 0
    for weight, vectors in products_of(layer, x):
        beats = schedule(config, weight.numpy(), vectors.numpy())
        got, taken = play(beats)
        sums.append(torch.from_numpy(beats.gather(got)))
        cycles += taken
    return torch.cat(sums, 1), cycles, beats.held


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


def _as_output(rows: Tensor, like: Tensor) -> Tensor:
    """Accumulators [vectors, outputs] in the layout of ``like``: [n, outputs] or [n, outputs, h, w]."""
    if like.dim() == 2:
        return rows
    n, outputs, height, width = like.shape
    return rows.view(n, height, width, outputs).permute(0, 3, 1, 2)
