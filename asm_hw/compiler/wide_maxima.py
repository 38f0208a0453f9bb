"""Max pools of tensors with more bits than a lane takes, as sums: max(m, x) = m + max(x - m, 0).

Digits cannot be compared one by one. What is sums of whole numbers takes digits in turns as every product does, and the
clamp at 0 is that of a requantize step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.network.integer_layers import IntegerConv2d
from asm_hw.network.integer_moves import IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode
from asm_hw.network.integer_pools import IntegerMaxPool
from asm_hw.network.integer_requantize import Requantize
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.numbers.alphabets import AlphabetSet

ONE = AlphabetSet((1,))
SIGNS = WeightFormat(ONE, 2)
"""Weights of -1, 0 and 1."""


def without_wide_maxima(network: IntegerNetwork, act_bits: int) -> IntegerNetwork:
    """``network`` with no max pool over more than ``act_bits`` bits; tensors keep their names and values.

    A pool becomes two products for each place of its kernel but the first, rows after columns. One with padding over
    signed numbers, or with windows beyond them, stays: zeros around it could win.
    """
    pairs = list(zip(network.layers, network.sources, strict=True))
    wide = {
        layer.name: _sums(replace(layer, sources=sources), network.shapes[sources[0]], network.formats[sources[0]])
        for layer, sources in pairs
        if isinstance(layer, IntegerMaxPool) and _is_wide(layer, network.formats[sources[0]], act_bits)
    }
    if not wide:  # as in most networks, of which a search compiles each dozens of times
        return network
    layers = [node for layer, sources in pairs for node in wide.get(layer.name, [replace(layer, sources=sources)])]
    return replace(network, layers=tuple(layers))


def _is_wide(pool: IntegerMaxPool, stored: ActivationFormat, act_bits: int) -> bool:
    """Whether lanes cannot compare what a pool reads, and zeros around it cannot win."""
    return stored.bits > act_bits and not (stored.signed and (pool.padding != (0, 0) or pool.ceil_mode))


def _sums(pool: IntegerMaxPool, shape: tuple[int, ...], stored: ActivationFormat) -> list[IntegerNode]:
    """The sums that a pool over maps of ``shape`` is: over each row of its windows, then over the rows."""
    down, right = pool.beyond(shape)
    if down or right:  # zeros there do not win either
        name = f"{pool.name}:pad"
        pad = IntegerMove(name=name, sources=pool.sources, action="pad", arguments=(0, right, 0, down, 0, 0))
        return [pad, *_rows_and_columns(replace(pool, sources=(name,), ceil_mode=False), shape[0], stored)]
    return _rows_and_columns(replace(pool, ceil_mode=False), shape[0], stored)


def _rows_and_columns(pool: IntegerMaxPool, channels: int, stored: ActivationFormat) -> list[IntegerNode]:
    """The sums of a pool whose windows lie on its map and its padding."""
    (high, wide), (down, right), (top, left) = pool.kernel, pool.stride, pool.padding
    if (wide, right, left) == (1, 1, 0) or (high, down, top) == (1, 1, 0):
        return list(_line(pool, channels, stored))
    across = replace(pool, name=f"{pool.name}:row", kernel=(1, wide), stride=(1, right), padding=(0, left))
    below = replace(pool, sources=(across.name,), kernel=(high, 1), stride=(down, 1), padding=(top, 0))
    return [*_line(across, channels, stored), *_line(below, channels, stored)]


def _line(pool: IntegerMaxPool, channels: int, stored: ActivationFormat) -> Iterator[IntegerNode]:
    """The sums of a pool over windows of one row or column."""
    places = [(y, x) for y in range(pool.kernel[0]) for x in range(pool.kernel[1])]

    def taken(name: str, signs: dict[tuple[int, int], int], requantize: Requantize, *skip: str) -> IntegerConv2d:
        weight = torch.zeros(channels, 1, *pool.kernel, dtype=torch.int64)
        for place, sign in signs.items():
            weight[:, 0, *place] = sign
        return IntegerConv2d(
            name=name,
            sources=(*pool.sources, *skip),
            operands=ProductFormat(SIGNS, stored),
            weight=weight,
            requantize=requantize,
            stride=pool.stride,
            padding=pool.padding,
            groups=channels,
        )

    most, first = pool.name, places[0]
    if len(places) == 1:
        yield taken(most, {first: 1}, _passing(channels, stored))
    for index, place in enumerate(places[1:]):
        last = index == len(places) - 2
        beyond, before, most = f"{pool.name}:{2 * index}", most, pool.name if last else f"{pool.name}:{2 * index + 1}"
        above = ActivationFormat(stored.bits)
        if index == 0:
            yield taken(beyond, {first: -1, place: 1}, _passing(channels, above))
            yield taken(most, {first: 1}, _passing(channels, stored, 1), beyond)
        else:
            yield taken(beyond, {place: 1}, _passing(channels, above, -1), before)
            yield IntegerSum(name=most, sources=(before, beyond), requantize=_passing(channels, stored, 1))


def _passing(channels: int, stored: ActivationFormat, joined: int | None = None) -> Requantize:
    """Sums as they are, clamped to ``stored``; what joins counts ``joined`` times."""
    one, zero = torch.ones(channels, dtype=torch.int64), torch.zeros(channels, dtype=torch.int64)
    return Requantize(
        alphabets=ONE,
        scale=one,
        bias=zero,
        shift=zero,
        bits=stored.bits,
        signed=stored.signed,
        encode=stored.alphabets,
        skip_scale=None if joined is None else joined * one,
        skip_shift=None if joined is None else zero,
    )
