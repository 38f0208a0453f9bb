"""A whole network on a bitline array: micro-operations, cycles and accesses of every node, counted exactly.

The array forms the sums of convolutions, matrix products and sum pools. What follows them lies outside, takes no cycle
here and is counted as values: requantization, what joins the sums, partial sums of tiles that are added up, windows of
the largest, integers that only move. The host that gathers the values of each row is not counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode, RequantizedNode
from asm_hw.network.integer_pools import IntegerMaxPool
from asm_hw.network.integer_table import IntegerTable
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_counter import BitlineCounter, access_kinds
from asm_hw.units.bitline.bitline_instructions import Instruction, Operation
from asm_hw.units.bitline.bitline_schedule import tiles

from .batch import batched
from .bitline_products import ArrayProduct, OnArray, array_products, check_asm

ACCESSES = ("write", "read", "two_row", "read_write", "read_compute_write")
"""Kinds of array accesses: a row written, one opened, two opened; one or two opened and a row written."""
OUTSIDE = ("requantized", "joined", "partial_sums", "compared", "moved")
"""Values that something beside the array takes."""


@dataclass(frozen=True)
class BitlineLayer:
    """A node of a network on an array.

    Attributes
    ----------
    macs : multiply-accumulates that the network asks for
    programs : micro-operations of each product over one row of vectors, in the order of their cycles
    groups : rows of vectors: each takes the programs once
    outside : values by `OUTSIDE`
    """

    config: BitlineConfig
    name: str
    macs: int
    programs: tuple[tuple[Instruction, ...], ...]
    groups: int
    outside: Mapping[str, int]

    @cached_property
    def _counter(self) -> BitlineCounter:
        """Of one row of vectors."""
        counter = BitlineCounter(self.config)
        for program in self.programs:
            for instruction in program:
                counter.count(instruction)
        return counter

    @property
    def cycles(self) -> int:
        """Cycles from the first micro-operation to the one in which the last sum leaves; 0 without a product."""
        return self.groups * self._counter.cycles + self._counter.leaving

    @property
    def micro_operations(self) -> dict[str, int]:
        """By kind, as the hardware counts them."""
        return {kind: self.groups * self._counter.counts[kind] for kind in self.config.counted}

    @cached_property
    def accesses(self) -> dict[str, int]:
        """Of the cells, by `ACCESSES`."""
        found: Counter[str] = sum(map(access_kinds, self.programs), Counter())
        return {kind: self.groups * found[kind] for kind in ACCESSES}

    @property
    def utilization(self) -> float:
        """MACs over the products that all words could form, were rows added in each cycle, as many as open at once.

        Above 1 where so many weights are 0.
        """
        at_once = 1 if self.config.product.is_power_of_two else 2
        return self.macs / (self.cycles * self.config.words * at_once) if self.cycles else 0.0

    @property
    def report(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "macs": self.macs,
            "utilization": round(self.utilization, 4),
            "cycles": self.cycles,
            "micro_operations": self.micro_operations,
            "accesses": self.accesses,
            "outside": dict(self.outside),
        }


@dataclass(frozen=True)
class BitlineProgram:
    """What an array does for a network of ``batch`` inputs side by side."""

    config: BitlineConfig
    layers: tuple[BitlineLayer, ...]
    batch: int

    @property
    def cycles(self) -> int:
        """Of the array; whatever it waits for is not in it."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def report(self) -> dict[str, Any]:
        """What ``compile --unit bitline --json`` prints; keys of an engine's report mean the same."""
        layers = [layer.report for layer in self.layers]
        totals = {
            name: {kind: sum(layer[name][kind] for layer in layers) for kind in layers[0][name]}
            for name in ("micro_operations", "accesses", "outside")
        }
        return {
            "fits": True,
            "batch": self.batch,
            "array": self.config.parameters,
            "words": self.config.words,
            "layers": layers,
            "cycles": self.cycles,
            **totals,
            "program_entries": sum(len(program) for layer in self.layers for program in layer.programs),
        }


def compile_bitline(network: IntegerNetwork, config: BitlineConfig, batch: int = 1) -> BitlineProgram:
    """Every node of ``network`` on the array ``config``; ``batch`` inputs at once, of a network of matrix products.

    Raises `ParameterError` that names the layer which the array does not take.
    """
    check_asm(config.arithmetic)
    table = next((node for node in network.layers if isinstance(node, IntegerTable)), None)
    if table is not None:
        raise ParameterError(
            f"layer {table.name!r} must be a node that is counted beside a bitline array, not a {table.kind}: unit"
            " engine has tables"
        )
    network = batched(network, batch)
    layers = []
    for node, sources, size in zip(network.layers, network.sources, network.sizes, strict=True):
        shapes = [network.shapes[source] for source in sources]
        products: list[ArrayProduct] = []
        if isinstance(node, OnArray):
            zeros = torch.zeros(1, *shapes[0], dtype=torch.int64)
            products = array_products(config, node, network.formats[sources[0]], zeros)
        compiled = [_program(config, node, product) for product in products]
        outside = _outside(node, math.prod(size.output_shape))
        outside["partial_sums"] = sum(partial for _, partial in compiled)
        groups = ceil_div(len(products[0].vectors), config.words) if products else 0
        programs = tuple(program for program, _ in compiled)
        layers.append(BitlineLayer(config, node.name, size.macs, programs, groups, outside))
    return BitlineProgram(config, tuple(layers), batch)


def _program(config: BitlineConfig, node: IntegerNode, product: ArrayProduct) -> tuple[tuple[Instruction, ...], int]:
    """The micro-operations of a product, and the partial sums of its tiles that are added to others."""
    try:
        cut = tiles(config, product.weights.tolist())
    except ParameterError as error:
        raise ParameterError(f"layer {node.name!r} must fit the array: {error}") from None
    made: list[Instruction] = []
    for tile in cut:
        made += [Instruction(Operation.WRITE, d=multiples[1]) for multiples in tile.rows]
        made += [*tile.bank, *(instruction for output in tile.sums for instruction in output)]
    return tuple(made), (len(cut) - 1) * len(product.weights) * len(product.vectors)


def _outside(node: IntegerNode, values: int) -> dict[str, int]:
    """What lies outside of a node that gives so many ``values``, but for partial sums."""
    found = dict.fromkeys(OUTSIDE, 0)
    if isinstance(node, RequantizedNode):
        found |= {"requantized": values, "joined": values * (node.arity - 1)}
    elif isinstance(node, IntegerMaxPool):
        found["compared"] = values * math.prod(node.kernel)
    else:
        found["moved"] = values
    return found
