"""Nodes of an integer network as products.

Sums, pools, slices, padding and concatenation multiply by 1 where something is taken, by 0 elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLayer, IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT, IntegerNode, RequantizedNode
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.network.integer_table import IntegerTable

from .products import ONES, Channels, Product
from .result_tables import look_up_of

Shape = tuple[int, int, int]
MAX_WEIGHTS = 1 << 28
"""Most weights of a product, zeros included: 2 GiB while it is compiled."""


def as_map(shape: tuple[int, ...]) -> Shape:
    """A tensor's shape as channels, height and width."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    if len(shape) == 1:
        return shape[0], 1, 1
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    raise ParameterError(f"tensors of an engine must have 1 to 3 dimensions, not {shape}")


def products_of(network: IntegerNetwork) -> tuple[list[Product], dict[str, str]]:
    """The products of a network in order, and the tensor that holds each node's result (its own, or an alias)."""
    found: list[Product] = []
    holds = {INPUT: INPUT}
    for layer, sources in zip(network.layers, network.sources, strict=True):
        shapes = [as_map(network.shapes[source]) for source in sources]
        names = [holds[source] for source in sources]
        out = as_map(network.shapes[layer.name])
        if isinstance(layer, IntegerMove) and layer.action == "reshape":
            if out != shapes[0]:
                raise ParameterError(
                    f"layer {layer.name!r} must keep channels, height and width apart on an engine, not reshape"
                    f" {network.shapes[sources[0]]} to {network.shapes[layer.name]}"
                )
            holds[layer.name] = names[0]
            continue
        holds[layer.name] = layer.name
        found += _lower(layer, names, shapes, out, network.formats[layer.name])
    return found, holds


def _lower(
    layer: IntegerNode, names: list[str], shapes: list[Shape], out: Shape, stored: ActivationFormat
) -> list[Product]:
    """The products of one node, whose sources ``names`` have ``shapes``."""
    common: dict[str, Any] = {"name": layer.name, "target": layer.name, "out_size": out[1:]}
    common["limits"] = stored.binary_range
    if isinstance(layer, RequantizedNode):
        common |= {"channels": Channels.of(layer.requantize), "encode": layer.requantize.encode is not None}
        # What limits leave of a format's numbers, those beyond its last level aside: they go on to that one.
        low, high = layer.requantize.range
        common["limits"] = max(low, stored.range[0]), min(high, stored.range[1])
        common["skip"] = names[1] if len(names) > 1 else None
    if isinstance(layer, IntegerConcat):
        return _concat(layer, names, shapes, common)
    common["source"] = names[0]
    if isinstance(layer, IntegerTable):
        common |= {"limits": layer.taken.range, "look_up": look_up_of(layer)}
        weight = _identity(layer, shapes[0][0])
        return [Product(weight=weight, weights=ONES, channels=Channels.passing(shapes[0][0]), **common)]
    if isinstance(layer, IntegerLayer):
        return [_multiply(layer, shapes[0], common)]
    if isinstance(layer, IntegerSum):
        return [Product(weight=_identity(layer, shapes[0][0]), weights=ONES, **common)]
    if isinstance(layer, IntegerSumPool | IntegerMaxPool):
        return [_pool(layer, shapes[0], common)]
    if isinstance(layer, IntegerMove):
        return [_move(layer, shapes[0], common)]
    raise ParameterError(f"layer {layer.name!r} must be a node that an engine runs, not {layer.kind}")


def _zeros(layer: IntegerNode, outputs: int, inputs: int, kernel: tuple[int, ...]) -> Tensor:
    """Weights to be filled in. Raises `ParameterError` where a file's few numbers ask for too many."""
    count = math.prod((outputs, inputs, *kernel))
    if count > MAX_WEIGHTS:
        raise ParameterError(
            f"layer {layer.name!r} must have at most {MAX_WEIGHTS} weights on an engine, zeros included, not {count}"
        )
    return torch.zeros(outputs, inputs, *kernel, dtype=torch.int64)


def _identity(
    layer: IntegerNode, channels: int, kernel: tuple[int, int] = (1, 1), outputs: int | None = None, first: int = 0
) -> Tensor:
    """1 from channel i to output ``first`` + i, at every place of the kernel."""
    weight = _zeros(layer, outputs or channels, channels, kernel)
    weight[range(first, first + channels), range(channels)] = 1
    return weight


def _multiply(layer: IntegerLayer, shape: Shape, common: dict[str, Any]) -> Product:
    how: dict[str, Any] = {}
    if isinstance(layer, IntegerConv2d):
        weight = _without_groups(layer)
        how = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    elif isinstance(layer, IntegerLinear):
        weight = layer.weight.reshape(-1, *shape)
    else:
        raise ParameterError(f"layer {layer.name!r} must be a node that an engine runs, not {layer.kind}")
    macs = layer.terms * math.prod(common["out_size"]) * layer.outputs
    return Product(weight=weight, weights=layer.operands.weight, macs=macs, **how, **common)


def _without_groups(layer: IntegerConv2d) -> Tensor:
    """A grouped convolution as one over all channels, 0 where a group takes none."""
    weight, groups = layer.weight, layer.groups
    if groups == 1:
        return weight
    outputs, inputs = weight.shape[0] // groups, weight.shape[1]
    dense = _zeros(layer, weight.shape[0], inputs * groups, weight.shape[2:])
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        dense[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return dense


def _pool(layer: IntegerSumPool | IntegerMaxPool, shape: Shape, common: dict[str, Any]) -> Product:
    common = {**common, "weights": ONES, "largest": isinstance(layer, IntegerMaxPool)}
    if isinstance(layer, IntegerMaxPool):
        common["channels"] = Channels.passing(shape[0])
    if layer.kernel == shape[1:] and layer.padding == (0, 0):  # over all pixels: the weights stay, the sum goes on
        return Product(weight=_identity(layer, shape[0]), reduce=True, **common)
    weight = _identity(layer, shape[0], layer.kernel)
    return Product(weight=weight, stride=layer.stride, padding=layer.padding, **common)


def _concat(layer: IntegerConcat, names: list[str], shapes: list[Shape], common: dict[str, Any]) -> list[Product]:
    """One source after another: each adds its channels to what the tensor holds already."""
    outputs, first, found = sum(shape[0] for shape in shapes), 0, []
    for index, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        own = {
            **common,
            "name": layer.name if index == len(names) - 1 else f"{layer.name}:{index}",
            "channels": Channels.passing(outputs, joins=index > 0),
            "skip": layer.name if index else None,
        }
        weight = _identity(layer, shape[0], outputs=outputs, first=first)
        found.append(Product(source=name, weight=weight, weights=ONES, **own))
        first += shape[0]
    return found


def _move(layer: IntegerMove, shape: Shape, common: dict[str, Any]) -> Product:
    if layer.action == "pad":
        left, _, top, _, front, back = layer.arguments
        outputs = front + shape[0] + back
        weight = _identity(layer, shape[0], outputs=outputs, first=front)
        channels = Channels.passing(outputs)
        return Product(weight=weight, weights=ONES, padding=(top, left), channels=channels, **common)
    taken, rows, columns = _ranges(layer, shape)
    weight = _zeros(layer, len(taken), shape[0], (1, 1))
    weight[range(len(taken)), list(taken)] = 1
    stride = tuple(one.step if len(one) > 1 else 1 for one in (rows, columns))
    how: dict[str, Any] = {"stride": stride, "padding": (-rows.start, -columns.start)}
    return Product(weight=weight, weights=ONES, channels=Channels.passing(len(taken)), **how, **common)


def _ranges(layer: IntegerMove, shape: Shape) -> list[range]:
    """The channels, rows and columns that a slice takes; a tensor of two dimensions has one row, as in `as_map`."""
    slices = [slice(*layer.arguments[i : i + 3]) for i in range(0, len(layer.arguments), 3)]
    whole = slice(None)
    if len(slices) == 2:
        slices.insert(1, whole)
    slices += [whole] * (3 - len(slices))
    return [range(*one.indices(size)) for one, size in zip(slices, shape, strict=True)]
