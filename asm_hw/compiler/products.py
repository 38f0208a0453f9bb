"""Nodes of an integer network as products: all that an engine computes is a convolution with a requantize step.

Sums, pools, slices, padding and concatenation multiply by 1 where something is taken, by 0 elsewhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLayer, IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode, RequantizedNode
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_requantize import Requantize
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.units.engine.engine_records import SKIP_BITS

Shape = tuple[int, int, int]
ONES = WeightFormat(AlphabetSet((1,)), 2)
"""The weights of what is only moved or added up: 0 and 1."""


@dataclass(frozen=True)
class Channels:
    """Requantize of each output channel, int64 [out], on true values, not on stored ones."""

    scale: Tensor
    bias: Tensor
    shift: Tensor
    skip_scale: Tensor | None = None
    skip_shift: Tensor | None = None

    @classmethod
    def of(cls, requantize: Requantize) -> Channels:
        return cls(
            requantize.scale, requantize.bias, requantize.shift, requantize.skip_scale, requantize.skip_shift
        )

    @classmethod
    def passing(cls, count: int, joins: bool = False) -> Channels:
        """Values as they are, with those that join added."""
        one, zero = torch.ones(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
        return cls(one, zero, zero, one if joins else None, zero if joins else None)


@dataclass(frozen=True)
class Also:
    """A narrowed copy of a product's outputs: ``clamp((y + (1 << shift - 1)) >> shift)``, shift 0 adds nothing."""

    target: str
    shift: int
    limits: tuple[int, int]


@dataclass(frozen=True)
class Product:
    """One layer of an engine's program: weights [out, in, kh, kw] over the tensor ``source``.

    ``skip``: the tensor that joins the sums. ``reduce``: the sums of all pixels end in one. ``largest``: the largest
    term counts instead of the sum. ``also``: a copy in fewer bits.
    """

    name: str
    source: str
    target: str
    weight: Tensor
    weights: WeightFormat
    channels: Channels
    limits: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    skip: str | None = None
    reduce: bool = False
    largest: bool = False
    out_size: tuple[int, int] = (1, 1)
    macs: int = 0
    also: Also | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The tensors that it writes."""
        return (self.target,) if self.also is None else (self.target, self.also.target)



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
    holds = {"input": "input"}
    for layer, sources in zip(network.layers, network.sources, strict=True):
        shapes = [as_map(network.shapes[source]) for source in sources]
        names = [holds[source] for source in sources]
        holds[layer.name] = layer.name
        if isinstance(layer, IntegerMove) and layer.action == "reshape":
            if as_map(network.shapes[layer.name]) != shapes[0]:
                raise ParameterError(
                    f"layer {layer.name!r} must keep channels, height and width apart on an engine, not reshape"
                    f" {network.shapes[sources[0]]} to {network.shapes[layer.name]}"
                )
            holds[layer.name] = names[0]
            continue
        out = as_map(network.shapes[layer.name])
        stored = network.formats[layer.name]
        found += _lower(layer, names, shapes, out, stored)
    return found, holds


def _lower(layer: IntegerNode, names: list[str], shapes: list[Shape], out: Shape, stored: ActivationFormat) -> list[Product]:
    common: dict[str, Any] = {"name": layer.name, "target": layer.name, "out_size": out[1:], "limits": stored.binary_range}
    if isinstance(layer, RequantizedNode):
        common |= {"channels": Channels.of(layer.requantize), "limits": layer.requantize.range}
        if layer.requantize.encode is not None:
            raise ParameterError(
                f"layer {layer.name!r} must store plain integers on an engine, not levels of {{{layer.requantize.encode}}}"
            )
        if len(names) > 1:
            common["skip"] = names[1]
    if isinstance(layer, IntegerLayer):
        return [_product(layer, names[0], shapes[0], common)]
    if isinstance(layer, IntegerSum):
        return [Product(source=names[0], weight=_identity(shapes[0][0], (1, 1)), weights=ONES, **common)]
    if isinstance(layer, IntegerSumPool | IntegerMaxPool):
        return [_pool(layer, names[0], shapes[0], common)]
    if isinstance(layer, IntegerConcat):
        return _concat(layer, names, shapes, common)
    if isinstance(layer, IntegerMove):
        return [_move(layer, names[0], shapes[0], common)]
    raise ParameterError(f"layer {layer.name!r} must be a node that an engine runs, not {layer.kind}")


def _product(layer: IntegerLayer, source: str, shape: Shape, common: dict[str, Any]) -> Product:
    if isinstance(layer, IntegerLinear):
        weight = layer.weight.view(-1, *shape)
        how: dict[str, Any] = {}
    else:
        assert isinstance(layer, IntegerConv2d)
        weight = _without_groups(layer.weight, layer.groups)
        how = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    macs = layer.terms * math.prod(common["out_size"]) * layer.outputs
    return Product(source=source, weight=weight, weights=layer.operands.weight, macs=macs, **how, **common)


def _without_groups(weight: Tensor, groups: int) -> Tensor:
    """A grouped convolution as one over all channels, 0 where a group takes none."""
    if groups == 1:
        return weight
    outputs, inputs = weight.shape[0] // groups, weight.shape[1]
    dense = torch.zeros(weight.shape[0], inputs * groups, *weight.shape[2:], dtype=weight.dtype)
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        dense[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return dense


def join_moves(products: list[Product], kept: set[str]) -> list[Product]:
    """Selections of channels that only other ones read, as one: what lies between is not stored.

    ``kept``: tensors that must be.
    """
    readers = Counter(name for product in products for name in (product.source, product.skip) if name)
    found: list[Product] = []
    for product in products:
        maker = next((i for i, other in enumerate(found) if other.target == product.source), None)
        if maker is None or not _selects(product) or (product.stride, product.padding) != ((1, 1), (0, 0)):
            found.append(product)
            continue
        first = found[maker]
        if not _selects(first) or readers[first.target] > 1 or first.target in kept or first.skip is not None:
            found.append(product)
            continue
        weight = torch.einsum("oi,icyx->ocyx", product.weight[:, :, 0, 0], first.weight)
        del found[maker]
        where = {"stride": first.stride, "padding": first.padding}
        found.append(replace(product, source=first.source, weight=weight, **where))
    return found


def _selects(product: Product) -> bool:
    """Whether a product takes values as they are, at most one for each output, from one pixel each."""
    channels = product.channels
    moves = bool((channels.scale == 1).all() and (channels.bias == 0).all() and (channels.shift == 0).all())
    plain = product.weights == ONES and product.weight.shape[2:] == (1, 1) and not product.reduce
    return plain and moves and product.skip is None and int(product.weight.sum((1, 2, 3)).max()) <= 1


def fuse(products: list[Product], narrow_bits: int, formats: Mapping[str, ActivationFormat]) -> list[Product]:
    """Products whose outputs are only moved down by another one write both tensors at once.

    ``narrow_bits``: what the copy may have; the outputs themselves have one byte at most.
    """
    fused: list[Product] = []
    for product in products:
        maker = next((i for i, other in enumerate(fused) if other.target == product.source), None)
        also = _copy_of(product, narrow_bits, formats)
        last = maker is not None and all(other.target != product.source for other in fused[maker + 1 :])
        if maker is None or also is None or not last or fused[maker].also is not None or fused[maker].reduce:
            fused.append(product)
        else:
            fused[maker] = replace(fused[maker], also=also)
    return fused


def _copy_of(product: Product, narrow_bits: int, formats: Mapping[str, ActivationFormat]) -> Also | None:
    """The copy that a product is, if it takes values as they are, moves all alike and changes nothing else."""
    channels, shift = product.channels, int(product.channels.shift[0])
    plain = product.weights == ONES and product.weight.shape[0] == product.weight.shape[1]
    plain = plain and product.stride == (1, 1) and product.padding == (0, 0) and product.weight.shape[2:] == (1, 1)
    plain = plain and not product.reduce and product.skip is None
    alike = bool((channels.scale == 1).all() and (channels.bias == 0).all() and (channels.shift == shift).all())
    source, target = formats[product.source], formats[product.target]
    if not plain or not alike or shift > 4 or source.bits > SKIP_BITS or target.bits > narrow_bits:
        return None
    if not torch.equal(product.weight, _identity(product.weight.shape[0], (1, 1))):
        return None
    return Also(product.target, shift, product.limits)


def _identity(channels: int, kernel: tuple[int, int], out: int | None = None, first: int = 0) -> Tensor:
    """1 from channel i to output ``first`` + i, at every place of the kernel."""
    weight = torch.zeros(out or channels, channels, *kernel, dtype=torch.int64)
    weight[range(first, first + channels), range(channels)] = 1
    return weight


def _pool(layer: Any, source: str, shape: Shape, common: dict[str, Any]) -> Product:
    largest = isinstance(layer, IntegerMaxPool)
    if largest:
        common |= {"channels": Channels.passing(shape[0])}
    whole = layer.kernel == shape[1:] and layer.padding == (0, 0) and common["out_size"] == (1, 1)
    if whole:  # over all pixels: the weights stay, the sum goes on
        return Product(
            source=source, weight=_identity(shape[0], (1, 1)), weights=ONES, reduce=True, largest=largest, **common
        )
    weight = _identity(shape[0], layer.kernel)
    how = {"stride": layer.stride, "padding": layer.padding}
    return Product(source=source, weight=weight, weights=ONES, largest=largest, **how, **common)


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
        weight = _identity(shape[0], (1, 1), outputs, first)
        found.append(Product(source=name, weight=weight, weights=ONES, **own))
        first += shape[0]
    return found


def _move(layer: IntegerMove, source: str, shape: Shape, common: dict[str, Any]) -> Product:
    if layer.action == "pad":
        left, right, top, bottom, front, back = layer.arguments
        outputs = front + shape[0] + back
        weight = _identity(shape[0], (1, 1), outputs, front)
        return Product(source=source, weight=weight, weights=ONES, padding=(top, left), channels=Channels.passing(outputs), **common)
    ranges = [
        range(*slice(*layer.arguments[i : i + 3]).indices(size)) for i, size in zip(range(0, len(layer.arguments), 3), shape, strict=False)
    ]
    ranges += [range(1)] * (3 - len(ranges))
    channels, rows, columns = ranges
    weight = torch.zeros(len(channels), shape[0], 1, 1, dtype=torch.int64)
    weight[range(len(channels)), list(channels)] = 1
    how = {"stride": (rows.step, columns.step), "padding": (-rows.start, -columns.start)}
    return Product(source=source, weight=weight, weights=ONES, channels=Channels.passing(len(channels)), **how, **common)
