"""Nodes of an integer network as products.

Sums, pools, slices, padding and concatenation multiply by 1 where something is taken, by 0 elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

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

from .move_products import Shape, concat_products, identity, move_products, zeros
from .products import ONES, Channels, Product
from .result_tables import look_up_of


def as_map(shape: tuple[int, ...]) -> Shape:
    """A tensor's shape as channels, height and width."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    if len(shape) == 1:
        return shape[0], 1, 1
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    raise ParameterError(f"tensors of an engine must have 1 to 3 dimensions, not {shape}")


def _map_of(layer: IntegerNode, shape: tuple[int, ...]) -> Shape:
    """`as_map` of a shape that ``layer`` takes or gives, which it names."""
    try:
        return as_map(shape)
    except ParameterError as error:
        raise ParameterError(f"layer {layer.name!r} does not fit: {error}") from None


def products_of(network: IntegerNetwork) -> tuple[list[Product], dict[str, str]]:
    """The products of a network in order, and the tensor that holds each node's result (its own, or an alias)."""
    found: list[Product] = []
    holds = {INPUT: INPUT}
    for layer, sources in zip(network.layers, network.sources, strict=True):
        shapes = [_map_of(layer, network.shapes[source]) for source in sources]
        names = [holds[source] for source in sources]
        out = _map_of(layer, network.shapes[layer.name])
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
        return concat_products(layer, names, shapes, common)
    common["source"] = names[0]
    if isinstance(layer, IntegerTable):
        common |= {"limits": layer.taken.range, "look_up": look_up_of(layer)}
        weight = identity(layer, shapes[0][0])
        return [Product(weight=weight, weights=ONES, channels=Channels.passing(shapes[0][0]), **common)]
    if isinstance(layer, IntegerLayer):
        return [_multiply(layer, shapes[0], common)]
    if isinstance(layer, IntegerSum):
        return [Product(weight=identity(layer, shapes[0][0]), weights=ONES, **common)]
    if isinstance(layer, IntegerSumPool | IntegerMaxPool):
        return [_pool(layer, shapes[0], common)]
    if isinstance(layer, IntegerMove):
        return move_products(layer, shapes[0], common)
    raise ParameterError(f"layer {layer.name!r} must be a node that an engine runs, not {layer.kind}")


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
    dense = zeros(layer, weight.shape[0], inputs * groups, weight.shape[2:])
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        dense[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return dense


def _pool(layer: IntegerSumPool | IntegerMaxPool, shape: Shape, common: dict[str, Any]) -> Product:
    common = {**common, "weights": ONES, "largest": isinstance(layer, IntegerMaxPool)}
    if isinstance(layer, IntegerMaxPool):
        common["channels"] = Channels.passing(shape[0])
    if layer.kernel == shape[1:] and layer.padding == (0, 0):  # over all pixels: the weights stay, the sum goes on
        return Product(weight=identity(layer, shape[0]), reduce=True, **common)
    weight = identity(layer, shape[0], layer.kernel)
    return Product(weight=weight, stride=layer.stride, padding=layer.padding, **common)
