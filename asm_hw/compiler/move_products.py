"""Moves and concatenations of an integer network as products: 1 where something is taken, 0 elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode
from asm_hw.units.engine.engine_records import COORDINATE

from .products import ONES, Channels, Product

Shape = tuple[int, int, int]
MAX_WEIGHTS = 1 << 28
"""Most weights of a product, zeros included: 2 GiB while it is compiled."""
MAX_STRIDE = 15
"""Strides are four bits of a record."""
MAX_REACH = (1 << COORDINATE - 1) - 4
"""The furthest row or column that a window may reach."""
CHANNELS_AND = {(1, 0, 2): 1, (2, 1, 0): 2}
"""Orders in which channels and rows, or channels and columns, change places, and the place of the latter."""


def zeros(layer: IntegerNode, outputs: int, inputs: int, kernel: tuple[int, ...]) -> Tensor:
    """Weights to be filled in. Raises `ParameterError` where a file's few numbers ask for too many."""
    count = math.prod((outputs, inputs, *kernel))
    if count > MAX_WEIGHTS:
        raise ParameterError(
            f"layer {layer.name!r} must have at most {MAX_WEIGHTS} weights on an engine, zeros included, not {count}"
        )
    return torch.zeros(outputs, inputs, *kernel, dtype=torch.int64)


def identity(
    layer: IntegerNode, channels: int, kernel: tuple[int, int] = (1, 1), outputs: int | None = None, first: int = 0
) -> Tensor:
    """1 from channel i to output ``first`` + i, at every place of the kernel."""
    weight = zeros(layer, outputs or channels, channels, kernel)
    weight[range(first, first + channels), range(channels)] = 1
    return weight


def concat_products(
    layer: IntegerConcat, names: list[str], shapes: list[Shape], common: dict[str, Any]
) -> list[Product]:
    """One source after another: each adds what it has to what the tensor holds already."""
    outputs = sum(shape[0] for shape in shapes) if layer.dim == 1 else shapes[0][0]
    first, found = 0, []
    for index, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        own = {
            **common,
            "name": layer.name if index == len(names) - 1 else f"{layer.name}:{index}",
            "channels": Channels.passing(outputs, joins=index > 0),
            "skip": layer.name if index else None,
            "padding": (first * (layer.dim == 2), first * (layer.dim == 3)),
        }
        weight = identity(layer, shape[0], outputs=outputs, first=first * (layer.dim == 1))
        found.append(Product(source=name, weight=weight, weights=ONES, **own))
        first += shape[layer.dim - 1]
    return found


def move_products(layer: IntegerMove, shape: Shape, common: dict[str, Any]) -> list[Product]:
    """The products of a move of a tensor of ``shape``."""
    how: dict[str, Any] = {}
    if layer.action == "pad":
        left, _, top, _, front, back = layer.arguments
        outputs = front + shape[0] + back
        weight, how = identity(layer, shape[0], outputs=outputs, first=front), {"padding": (top, left)}
    elif layer.action == "permute":
        return _swap(layer, shape, common)
    elif layer.action == "select":
        weight = _chosen(layer, layer.arguments, shape[0])
    else:
        taken, rows, columns = _ranges(layer, shape)
        stride = tuple(one.step if len(one) > 1 else 1 for one in (rows, columns))
        weight, how = _chosen(layer, taken, shape[0]), {"stride": stride, "padding": (-rows.start, -columns.start)}
    return [Product(weight=weight, weights=ONES, channels=Channels.passing(len(weight)), **how, **common)]


def _chosen(layer: IntegerMove, taken: Sequence[int], channels: int) -> Tensor:
    """1 from each channel that is taken to the output that it becomes."""
    weight = zeros(layer, len(taken), channels, (1, 1))
    weight[range(len(taken)), list(taken)] = 1
    return weight


def _swap(layer: IntegerMove, shape: Shape, common: dict[str, Any]) -> list[Product]:
    """Channels in the place of rows, or of columns: one channel after another, each adds the row that it becomes.

    Row y of the result is a window as high as the map, of which each output takes one row. Windows are as far apart as
    they are high: but for the one that lies on the map, all are beyond it.
    """
    side = CHANNELS_AND[layer.arguments if len(layer.arguments) == 3 else (2, 1, 0)]
    channels, length = shape[0], shape[side]
    if channels > 1 and (length > MAX_STRIDE or channels * length > MAX_REACH):
        raise ParameterError(
            f"layer {layer.name!r} must permute at most {MAX_STRIDE} rows or columns with channels on an engine,"
            f" {MAX_REACH} with all channels together, not {length} with {channels}"
        )
    places = range(length)
    found = []
    for channel in range(channels):
        weight = zeros(layer, length, channels, _along(side, length, 1))
        weight[places, channel, places if side == 1 else 0, places if side == 2 else 0] = 1
        own = {
            **common,
            "name": layer.name if channel == channels - 1 else f"{layer.name}:{channel}",
            "channels": Channels.passing(length, joins=channel > 0),
            "skip": layer.name if channel else None,
            "stride": _along(side, length if channels > 1 else 1, 1),
            "padding": _along(side, channel * length, 0),
        }
        found.append(Product(weight=weight, weights=ONES, **own))
    return found


def _along(side: int, value: int, other: int) -> tuple[int, int]:
    """Rows and columns: ``value`` of those that change places with channels."""
    return (value, other) if side == 1 else (other, value)


def with_swaps(network: IntegerNetwork) -> IntegerNetwork:
    """``network`` in which a permutation of three dimensions is one or more of `CHANNELS_AND`."""
    pairs = list(zip(network.layers, network.sources, strict=True))
    if not any(isinstance(layer, IntegerMove) and layer.action == "permute" for layer, _ in pairs):
        return network
    layers: list[IntegerNode] = []
    for layer, sources in pairs:
        node = replace(layer, sources=sources)
        layers += _swaps(node) if isinstance(node, IntegerMove) and node.action == "permute" else [node]
    return replace(network, layers=tuple(layers))


def _swaps(move: IntegerMove) -> list[IntegerNode]:
    """The moves that a permutation is; itself where it is one of `CHANNELS_AND`, or not of three dimensions."""
    wanted = tuple(move.arguments)
    if len(wanted) != 3 or wanted in CHANNELS_AND:
        return [move]
    orders = next(
        orders for count in (2, 3) for orders in product(CHANNELS_AND, repeat=count) if _after(orders) == wanted
    )
    found: list[IntegerNode] = []
    for index, order in enumerate(orders):
        name = move.name if index == len(orders) - 1 else f"{move.name}:swap{index}"
        sources = (found[-1].name,) if found else move.sources
        found.append(replace(move, name=name, sources=sources, arguments=order))
    return found


def _after(orders: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The order of dimensions that permutations one after another give."""
    found = (0, 1, 2)
    for order in orders:
        found = (found[order[0]], found[order[1]], found[order[2]])
    return found


def _ranges(layer: IntegerMove, shape: Shape) -> list[range]:
    """The channels, rows and columns that a slice takes; a tensor of two dimensions has one row, as in `as_map`."""
    slices = [slice(*layer.arguments[i : i + 3]) for i in range(0, len(layer.arguments), 3)]
    whole = slice(None)
    if len(slices) == 2:
        slices.insert(1, whole)
    slices += [whole] * (3 - len(slices))
    return [range(*one.indices(size)) for one, size in zip(slices, shape, strict=True)]
