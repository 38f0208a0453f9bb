"""Sums of products as ONNX computes them exactly: unsigned bytes times unsigned bytes, each with its zero point.

Processors without VNNI instructions multiply unsigned by signed bytes in pairs whose 16-bit sum saturates
(``vpmaddubsw``); onnxruntime takes that kernel where one operand is unsigned and the other signed. Of two unsigned
operands it sums in 32 bits everywhere. Numbers of more than 8 bits are cut into bytes, whose sums are added in 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from asm_hw.numbers.integers import ceil_div, signed_bits

from .onnx_graph import INT32, INT64, UINT8, UINT32, UINT64, Chain, Integers, OnnxGraph

BYTE = 8
MOST = (1 << 31) - 1
"""The largest magnitude that a 32-bit sum may have."""

Operator = Callable[[list[str], np.ndarray, str], str]
"""Adds one operator: for the names of bytes and of both zero points, weights as bytes, and the result's name."""


@dataclass(frozen=True)
class Part:
    """Bytes that hold part of a tensor of the graph, which is the sum of all ``(bytes - zero_point) << place``.

    ``low`` and ``high``: the least and the largest ``bytes - zero_point``, 0 among them.
    """

    name: str
    zero_point: int
    place: int
    low: int
    high: int


class Products:
    """Products of the tensors of a graph; each tensor is cut into bytes once."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._graph = graph
        self._parts: dict[str, list[Part]] = {}

    def sums(self, name: str, weight: np.ndarray, x: Integers, low: int, high: int, operator: Operator) -> Integers:
        """``operator`` over ``weight`` (int64 [out, ...]) and ``x``, exact; sums lie from ``low`` to ``high``."""
        graph, summands = self._graph, []
        for part in self._parts_of(x):
            for values, weight_zero, place in _cut_weights(weight):
                zeros = (graph.constant(f"zero_point_{zero}", zero, UINT8) for zero in (part.zero_point, weight_zero))
                inputs = [part.name, *zeros]
                for summand in _fitting(values, part):
                    sums = operator(inputs, summand + weight_zero, graph.unique(f"{name}/sums"))
                    summands.append((sums, part.place + place))
        if len(summands) == 1:
            return Integers(summands[0][0], INT32, low, high)
        total = ""
        for sums, place in summands:
            chain = Chain(graph, sums, INT32, graph.unique(f"{sums}/placed"))
            chain.cast(INT64)
            if place:
                chain.with_constant("Mul", "place", 1 << place)
            placed = chain.end()
            total = graph.node("Add", [total, placed], graph.unique(f"{name}/total")) if total else placed
        return Integers(total, INT64, low, high)

    def _parts_of(self, x: Integers) -> list[Part]:
        if x.type == UINT8:
            return [Part(x.name, 0, 0, 0, x.high)]
        if x.name not in self._parts:
            self._parts[x.name] = list(_cut(self._graph, x))
        return self._parts[x.name]


def _width(low: int, high: int) -> tuple[int, int]:
    """Bits of numbers from ``low`` to ``high``, and what makes them unsigned."""
    return (signed_bits(low, high), 1 << signed_bits(low, high) - 1) if low < 0 else (max(high.bit_length(), 1), 0)


def _cut(graph: OnnxGraph, x: Integers) -> Iterator[Part]:
    """The bytes of a tensor that is not of unsigned bytes."""
    bits, offset = _width(x.low, x.high)
    small = bits < 32 and x.type != INT64
    chain = Chain(graph, x.name, x.type, graph.unique(f"{x.name}/unsigned"))
    chain.cast(INT32 if small else INT64)
    if offset:
        chain.with_constant("Add", "offset", offset)
    if bits <= BYTE:
        chain.cast(UINT8)
        yield Part(chain.end(), offset, 0, min(x.low, 0), max(x.high, 0))
        return
    unsigned = UINT32 if small else UINT64
    chain.cast(unsigned)
    whole = chain.end()
    for place in range(0, bits, BYTE):
        byte = Chain(graph, whole, unsigned, graph.unique(f"{x.name}/byte{place // BYTE}"))
        if place:
            byte.add("BitShift", graph.constant(f"{x.name}/place", place, unsigned), direction="RIGHT")
        byte.cast(UINT8)  # which drops the higher bits
        zero = offset >> place if place + BYTE >= bits else 0
        yield Part(byte.end(), zero, place, -zero, 255 - zero)


def _cut_weights(weight: np.ndarray) -> Iterator[tuple[np.ndarray, int, int]]:
    """Weights (int64) as the sum of all ``values << place``: values, what makes them unsigned bytes, and place."""
    bits, offset = _width(int(weight.min()), int(weight.max()))
    for place in range(0, BYTE * ceil_div(bits, BYTE), BYTE):
        zero = offset >> place if place + BYTE >= bits else 0
        yield ((weight + offset) >> place & 255) - zero, zero, place


def _fitting(values: np.ndarray, x: Part) -> Iterator[np.ndarray]:
    """``values`` [out, ...] as summands whose products with ``x`` sum to 32 bits each: all, or halves of the inputs."""
    rows = values.reshape(len(values), -1)
    positive, negative = np.maximum(rows, 0).sum(1), np.minimum(rows, 0).sum(1)
    most = max(int((positive * x.high + negative * x.low).max()), -int((positive * x.low + negative * x.high).min()))
    if most <= MOST:
        yield values
        return
    half = np.where(np.arange(rows.shape[1]) < rows.shape[1] // 2, rows, 0).reshape(values.shape)
    yield from _fitting(half, x)
    yield from _fitting(values - half, x)
