"""The nodes of an integer network as ONNX operators of the default domain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLayer, IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.network.integer_table import IntegerTable

from .onnx_graph import DOUBLE, FLOAT, INT8, INT32, INT64, UINT8, Chain, Integers, OnnxGraph, type_of
from .onnx_products import Products
from .onnx_requantize import Range, requantized

FLOAT_BITS, DOUBLE_BITS = 24, 53
"""Bits of the integers that a float and a double tell apart."""


class NodeWriter:
    """Writes the nodes of ``network`` into ``graph``, each after its sources."""

    def __init__(self, network: IntegerNetwork, graph: OnnxGraph) -> None:
        self._network, self._graph = network, graph
        self._products = Products(graph)
        self._write: dict[type[IntegerNode], Callable[..., Integers]] = {
            IntegerConv2d: self._conv2d,
            IntegerLinear: self._linear,
            IntegerSum: self._sum,
            IntegerSumPool: self._sum_pool,
            IntegerMaxPool: self._max_pool,
            IntegerMove: self._move,
            IntegerConcat: self._concat,
            IntegerTable: self._table,
        }

    def write(self, node: IntegerNode, sources: list[Integers], names: tuple[str, ...]) -> Integers:
        """The tensor of ``node``, for those of its sources, whose names in the network are ``names``."""
        if type(node) not in self._write:
            raise ParameterError(f"layer {node.name!r} must be of a kind that ONNX files know, not {node.kind!r}")
        return self._write[type(node)](node, sources, [self._network.shapes[name] for name in names])

    def _finish(self, node: Any, sums: Integers, ranges: list[Range], sources: list[Integers]) -> Integers:
        """`requantize` of the node's sums, which ``sources`` beyond the first join."""
        dimensions = len(self._network.shapes[node.name])
        skip = sources[1] if len(sources) > 1 else None
        return requantized(self._graph, node.name, node.requantize, sums, ranges, dimensions, skip)

    def _layer(self, node: IntegerLayer, x: Integers, operator: Any, sources: list[Integers]) -> Integers:
        lows, highs = (bound.tolist() for bound in node.acc_range)
        name = self._graph.stored(node.name)
        sums = self._products.sums(name, node.weight.numpy(), x, min(lows), max(highs), operator)
        return self._finish(node, sums, list(zip(lows, highs, strict=True)), sources)

    def _convolution(self, name: str, **attributes: Any) -> Callable[[list[str], np.ndarray, str], str]:
        def convolve(inputs: list[str], weight: np.ndarray, output: str) -> str:
            x, zero_x, zero_w = inputs
            weights = self._graph.constant(f"{name}/weight", weight, UINT8)
            return self._graph.node("ConvInteger", [x, weights, zero_x, zero_w], output, **attributes)

        return convolve

    def _conv2d(self, node: IntegerConv2d, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        operator = self._convolution(
            self._graph.stored(node.name),
            kernel_shape=list(node.weight.shape[2:]),
            strides=list(node.stride),
            pads=[*node.padding, *node.padding],
            dilations=list(node.dilation),
            group=node.groups,
        )
        return self._layer(node, sources[0], operator, sources)

    def _linear(self, node: IntegerLinear, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        graph, x = self._graph, sources[0]
        name = graph.stored(node.name)
        if len(shapes[0]) != 1:
            flat = graph.node("Flatten", [x.name], graph.unique(f"{name}/vector"), axis=1)
            x = Integers(flat, x.type, x.low, x.high)

        def multiply(inputs: list[str], weight: np.ndarray, output: str) -> str:
            vector, zero_x, zero_w = inputs
            weights = graph.constant(f"{name}/weight", weight.T, UINT8)
            return graph.node("MatMulInteger", [vector, weights, zero_x, zero_w], output)

        return self._layer(node, x, multiply, sources)

    def _sum(self, node: IntegerSum, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        x = sources[0]
        return self._finish(node, x, [(x.low, x.high)] * len(node.requantize.scale), sources)

    def _sum_pool(self, node: IntegerSumPool, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        graph, x, (channels, *size) = self._graph, sources[0], shapes[0]
        count, name = math.prod(node.kernel), graph.stored(node.name)
        low, high = min(0, x.low * count), max(0, x.high * count)
        if node.kernel == tuple(size) and node.padding == (0, 0):
            chain = Chain(graph, x.name, x.type, graph.unique(f"{name}/sums"))
            chain.cast(INT32 if -low < 1 << 31 and high < 1 << 31 else INT64)
            chain.add("ReduceSum", graph.constant("height_width", [2, 3], INT64), keepdims=1)
            sums = Integers(chain.end(), chain.kind, low, high)
        else:
            ones = np.ones((channels, 1, *node.kernel), dtype=np.int64)
            operator = self._convolution(name, **_window(node, shapes[0]), group=channels)
            sums = self._products.sums(name, ones, x, low, high, operator)
        return self._finish(node, sums, [(low, high)] * channels, sources)

    def _max_pool(self, node: IntegerMaxPool, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        x = sources[0]
        bits = max(x.high, -x.low).bit_length()
        if bits > DOUBLE_BITS:
            raise ParameterError(
                f"layer {node.name!r} must take integers of at most {DOUBLE_BITS} bits to be an ONNX pool, not {bits}"
            )
        chain = Chain(self._graph, x.name, x.type, self._graph.stored(node.name))
        if x.type not in (INT8, UINT8):  # pools take bytes and floats, which are exact here
            chain.cast(FLOAT if bits <= FLOAT_BITS else DOUBLE)
        chain.add("MaxPool", **_window(node, shapes[0]))
        chain.cast(x.type)
        return Integers(chain.end(), x.type, x.low, x.high)

    def _move(self, node: IntegerMove, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        x, arguments = sources[0], node.arguments
        chain = Chain(self._graph, x.name, x.type, self._graph.stored(node.name))

        def numbers(name: str, values: Any) -> str:
            return self._graph.constant(f"{chain.output}/{name}", list(values), INT64)

        if node.action == "reshape":
            chain.add("Reshape", numbers("shape", (0, *arguments)))  # 0: the batch as it is
        elif node.action == "slice":
            starts, stops, steps = (arguments[i::3] for i in range(3))
            axes = range(1, len(starts) + 1)
            named = zip(("starts", "stops", "axes", "steps"), (starts, stops, axes, steps), strict=True)
            chain.add("Slice", *(numbers(name, values) for name, values in named))
        elif node.action == "permute":
            chain.add("Transpose", perm=[0, *(i + 1 for i in arguments)])
        elif node.action == "select":
            chain.add("Gather", numbers("channels", arguments), axis=1)
        else:
            before, after = (arguments[i::2][::-1] for i in range(2))
            chain.add("Pad", numbers("pads", (0, *before, 0, *after)))
        return Integers(chain.end(), x.type, x.low, x.high)

    def _concat(self, node: IntegerConcat, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        stored = self._network.formats[node.name]
        taken = []
        for x in sources:
            chain = Chain(self._graph, x.name, x.type, x.name)
            if x.type != type_of(stored):
                chain = Chain(
                    self._graph, x.name, x.type, self._graph.unique(f"{self._graph.stored(node.name)}/joining")
                )
                chain.cast(type_of(stored))
                chain.end()
            taken.append(chain.output)
        self._graph.node("Concat", taken, self._graph.stored(node.name), axis=node.dim)
        return stored_integers(self._graph, node.name, stored)

    def _table(self, node: IntegerTable, sources: list[Integers], shapes: list[tuple[int, ...]]) -> Integers:
        """What a place in the table holds; its first one is that of the least integer."""
        x, least = sources[0], node.taken.binary_range[0]
        chain = Chain(self._graph, x.name, x.type, self._graph.stored(node.name))
        chain.cast(INT32)
        if least:
            chain.with_constant("Sub", "least", least)
        chain.look_up(f"{chain.output}/values", node.values.numpy(), type_of(node.stored))
        return Integers(chain.end(), chain.kind, *node.stored.range)


def _window(node: IntegerSumPool | IntegerMaxPool, shape: tuple[int, ...]) -> dict[str, list[int]]:
    """Kernel, strides and pads of a pool of maps of ``shape``; windows that reach beyond a map have pads there."""
    after = [padding + more for padding, more in zip(node.padding, node.beyond(shape), strict=True)]
    return {"kernel_shape": list(node.kernel), "strides": list(node.stride), "pads": [*node.padding, *after]}


def stored_integers(graph: OnnxGraph, name: str, stored: ActivationFormat) -> Integers:
    """The tensor of the graph that holds a stored tensor."""
    return Integers(graph.stored(name), type_of(stored), *stored.range)
