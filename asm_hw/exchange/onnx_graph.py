"""A graph of ONNX operators that is built node by node: names of its own, constants stored once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat

UINT8, INT8, INT32, INT64 = (int(getattr(TensorProto, name)) for name in ("UINT8", "INT8", "INT32", "INT64"))
UINT32, UINT64 = int(TensorProto.UINT32), int(TensorProto.UINT64)
FLOAT, DOUBLE = int(TensorProto.FLOAT), int(TensorProto.DOUBLE)
_SIZES = ((UINT8, 0, 255), (INT8, -128, 127), (INT32, -(1 << 31), (1 << 31) - 1), (INT64, -(1 << 63), (1 << 63) - 1))


@dataclass(frozen=True)
class Integers:
    """A tensor of the graph: its name, its ONNX type, and the least and the largest integer that it may hold."""

    name: str
    type: int
    low: int
    high: int


def type_of(stored: ActivationFormat) -> int:
    """The ONNX type of a stored tensor: of 8 bits where they suffice, then of 32, then of 64."""
    low, high = stored.binary_range
    return next(kind for kind, least, most in _SIZES if least <= low and high <= most)


def array_type(kind: int) -> Any:
    """The NumPy type of an ONNX type."""
    return helper.tensor_dtype_to_np_dtype(kind)


class OnnxGraph:
    """Nodes and constants so far. ``names``: those of stored tensors, which no other tensor gets."""

    def __init__(self, names: Iterable[str]) -> None:
        self.nodes: list[NodeProto] = []
        self._taken: set[str] = set()
        self._constants: dict[tuple[str, tuple[int, ...], bytes], tuple[str, np.ndarray]] = {}
        self._stored = {name: self._reserved(name) for name in names}

    def _reserved(self, name: str) -> str:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ParameterError(f"name of a layer must be text that UTF-8 holds, not {name!r}") from None
        return self.unique(name or "unnamed")  # to ONNX an empty name is no tensor

    def stored(self, name: str) -> str:
        """The graph's name of a stored tensor: its own."""
        return self._stored[name]

    def unique(self, wanted: str) -> str:
        """``wanted``, or with a number where that is taken."""
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}.{count}"
        self._taken.add(name)
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add an operator that gives the tensor ``output``, and is called like it."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, **attributes))
        return output

    def constant(self, wanted: str, values: Any, kind: int) -> str:
        """The name of a constant tensor of ``values``; the same values are stored once."""
        array = np.array(values, dtype=array_type(kind), order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = (self.unique(wanted), array)
        return self._constants[key][0]

    @property
    def initializers(self) -> list[TensorProto]:
        """The constants, in the order of their first use."""
        return [numpy_helper.from_array(array, name) for name, array in self._constants.values()]


class Chain:
    """Operators one after another, beginning at a tensor; the last of them gives ``output``."""

    def __init__(self, graph: OnnxGraph, start: str, kind: int, output: str) -> None:
        self.kind = kind
        """The ONNX type of what there is so far."""
        self.output = output
        self._graph, self._start = graph, start
        self._steps: list[tuple[str, list[str | None], dict[str, Any]]] = []
        """Operators, their inputs, of which None is what there is so far, and their attributes."""

    def add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """Apply ``operator`` to what there is so far and ``inputs``."""
        self._steps.append((operator, [None, *inputs], attributes))

    def look_up(self, name: str, table: Any, kind: int) -> None:
        """Take what there is so far as places in a constant ``table`` of type ``kind``."""
        self._steps.append(("Gather", [self._graph.constant(name, table, kind), None], {}))
        self.kind = kind

    def cast(self, kind: int) -> None:
        """To another type, unless it is that."""
        if kind != self.kind:
            self.add("Cast", to=kind)
            self.kind = kind

    def with_constant(self, operator: str, name: str, values: Any, **attributes: Any) -> None:
        """Apply ``operator`` to what there is so far and a constant of its type."""
        self.add(operator, self._graph.constant(f"{self.output}/{name}", values, self.kind), **attributes)

    def clip(self, low: int | None, high: int | None) -> None:
        """No less than ``low``, no more than ``high``; None is no limit."""
        named = [
            "" if limit is None else self._graph.constant(f"{self.output}/{name}", limit, self.kind)
            for name, limit in (("least", low), ("most", high))
        ]
        if named != ["", ""]:
            self.add("Clip", *(named if named[1] else named[:1]))

    def end(self) -> str:
        """Add the operators to the graph; the name of the last one's tensor."""
        steps, current = self._steps or [("Identity", [None], {})], self._start
        for index, (operator, inputs, attributes) in enumerate(steps):
            last = index == len(steps) - 1
            name = self.output if last else self._graph.unique(f"{self.output}/{operator.lower()}")
            taken = [current if one is None else one for one in inputs]
            current = self._graph.node(operator, taken, name, **attributes)
        return current
