"""A PyTorch module that grows node by node, from those of an ONNX graph in normal form.

A tensor of the file may lie in another order of sizes than the module's: a Transpose moves nothing, it is remembered
(`Value.order`) and applied to what reads it, so that images stay [n, channels, height, width] throughout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx import Graph, GraphModule, Node

from asm_hw.training.module_names import is_reserved

MAX_VALUES = 1 << 28
"""Of a tensor of the model, at the batch of its file."""
Numbers = np.ndarray


class Refused(Exception):
    """Why a node cannot be taken."""


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the file, computed by ``node`` of the module as ``shape`` [n, ...].

    Size ``i`` of the file's tensor is ``shape[order[i]]``. ``columns``: of features [n, f] that were flattened in
    another order, where in the module each feature of the file is. ``positive``: never below 0. ``quantized``: integers
    between a QuantizeLinear and its DequantizeLinear, made with this scale and zero point.
    """

    node: Node
    shape: tuple[int, ...]
    order: tuple[int, ...]
    columns: Numbers | None = None
    positive: bool = False
    quantized: Any = None

    @property
    def file_shape(self) -> tuple[int, ...]:
        """The sizes that the file's tensor has."""
        return tuple(self.shape[place] for place in self.order)

    @property
    def plain(self) -> bool:
        """Whether the file's order is the module's."""
        return self.order == tuple(range(len(self.order))) and self.columns is None

    def in_order(self) -> Value:
        """This, once it has been put into the file's order."""
        return replace(self, order=tuple(range(len(self.shape))))


@dataclass
class Builder:
    """``values``: of the tensors so far, by name in the file; None for one that a refused node computes."""

    root: nn.Module = field(default_factory=nn.Module)
    graph: Graph = field(default_factory=Graph)
    values: dict[str, Value | None] = field(default_factory=dict)

    # What a node reads

    def value(self, node: ir.Node, index: int = 0, integers: bool = False) -> Value:
        """The tensor that ``node`` reads at ``index``; `Refused` for a constant or none, or for integers unasked."""
        one = node.inputs[index] if index < len(node.inputs) else None
        if one is None or one.name not in self.values:
            raise Refused(f"input {index} must be a tensor that follows from the model's input")
        value = self.values[one.name]
        if value is None:
            raise Unknown
        if value.quantized is not None and not integers:
            raise Refused("it reads integers of a QuantizeLinear: a DequantizeLinear must come between")
        return value

    def constant(self, node: ir.Node, index: int, default: Any = None) -> Any:
        """The constant that ``node`` reads at ``index``, ``default`` for none; `Refused` for a computed tensor."""
        one = node.inputs[index] if index < len(node.inputs) else None
        if one is None:
            return default
        if one.const_value is None:
            raise Refused(f"input {index} must be a constant")
        return one.const_value.numpy()

    def is_value(self, node: ir.Node, index: int) -> bool:
        """Whether ``node`` reads a computed tensor at ``index``."""
        one = node.inputs[index] if index < len(node.inputs) else None
        return one is not None and one.name in self.values

    def alone(self, node: ir.Node, index: int, kinds: tuple[str, ...]) -> bool:
        """Whether ``node`` alone reads the nearest of ``kinds`` above ``index``, through what only moves."""
        one = node.inputs[index]
        while one is not None and len(one.uses()) == 1 and not one.is_graph_output():
            made = one.producer()
            if made is None or made.op_type in kinds:
                return made is not None
            one = made.inputs[0]
        return False

    # What it becomes

    def put(self, node: ir.Node, value: Value, index: int = 0) -> None:
        """``value`` is what ``node`` computes at ``index``."""
        self.values[str(node.outputs[index].name)] = value

    def module(self, node: ir.Node, module: nn.Module, value: Value, weight: int | None = None) -> Value:
        """``module`` called on ``value``, at a path after the file's names; ``weight``: the input that names it.

        Sizes keep their order where there are as many as before.
        """
        path = self._path(node, weight)
        state = {name: t.to("meta") for name, t in (*module.named_parameters(), *module.named_buffers())}
        shape = _shape(lambda x: functional_call(module.eval(), state, x), value)
        _attach(self.root, path, module)
        made = self.graph.call_module(path, (value.node,))
        made.meta["order"] = value.order
        order = value.order if len(shape) == len(value.shape) else tuple(range(len(shape)))
        return replace(value, node=made, shape=shape, order=order, positive=False)

    def call(self, function: Callable, value: Value, *arguments: Any, **named: Any) -> Value:
        """``function`` called on ``value`` and plain arguments; sizes keep their order where there are as many."""
        shape = _shape(lambda x: function(x, *arguments, **named), value)
        made = self.graph.call_function(function, (value.node, *arguments), named)
        order = value.order if len(shape) == len(value.shape) else tuple(range(len(shape)))
        return replace(value, node=made, shape=shape, order=order, positive=False)

    def buffer(self, node: ir.Node, values: Numbers) -> Node:
        """A buffer of ``values``, float32, named after ``node``."""
        path = self._unused(self._path(node, None).replace(".", "_") + "_constant")
        self.root.register_buffer(path, torch.tensor(values, dtype=torch.float32))
        return self.graph.get_attr(path)

    def plain(self, value: Value) -> Value:
        """``value`` in the file's order."""
        if value.columns is not None:
            raise Refused("it reads features that were flattened in another order than images have here")
        if value.plain:
            return value
        moving = [place for place in value.order if value.shape[place] != 1]
        if moving == sorted(moving):  # only sizes of 1 change places
            return self.call(torch.reshape, value, (-1, *value.file_shape[1:])).in_order()
        return self.call(torch.permute, value, value.order).in_order()

    def _path(self, node: ir.Node, weight: int | None) -> str:
        """A path of its own, after the weight's name where that is a path of PyTorch's, else after the node's."""
        source = None if weight is None else node.inputs[weight]
        held = None if source is None else source.name
        name = str(held).removesuffix(".weight") if held and str(held).endswith(".weight") else _scope(node, weight)
        parts = [re.sub(r"\W", "_", part) for part in name.split(".") if part] or ["node"]
        parts = [f"{part}_" if is_reserved(part, not place) else part for place, part in enumerate(parts)]
        return self._unused(".".join(parts))

    def _unused(self, wanted: str) -> str:
        """``wanted``, or a path with a number at the top where something stands there."""
        path, count = wanted, 1
        while not _free(self.root, path):
            count += 1
            path = f"{wanted.replace('.', '_')}_{count}"
        return path


class Unknown(Exception):
    """A node reads what a refused node computes: nothing more is known of it."""


def _shape(function: Callable, value: Value) -> tuple[int, ...]:
    """The shape that ``function`` gives for ``value``; `Refused` where it gives none, or one too large."""
    try:
        with torch.no_grad():
            shape = tuple(function(torch.empty(value.shape, device="meta")).shape)
    except Exception as error:  # of any kind: of PyTorch, for a stranger's sizes
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise Refused(f"sizes {list(value.file_shape)} do not fit it: {reason}") from None
    if 0 in shape or math.prod(shape) > MAX_VALUES:
        raise Refused(f"its result must have 1 to {MAX_VALUES} values, not sizes {list(shape)}")
    return shape


def _scope(node: ir.Node, weight: int | None) -> str:
    """The name of ``node`` as a path: exporters write scopes as ``/layer1/layer1.0/conv1/Conv``.

    Of a node with a weight the last part is left out: the scope is a module's.
    """
    parts = [part for part in re.split(r"[/:]+", str(node.name or "")) if part]
    if weight is not None and len(parts) > 1 and re.fullmatch(rf"{node.op_type}(_\d+)?", parts[-1]):
        parts.pop()
    joined: list[str] = []
    for part in parts:
        if joined and part.startswith(joined[-1] + "."):
            joined.pop()
        joined.append(part)
    return ".".join(joined) or node.op_type.lower()


def _free(root: nn.Module, path: str) -> bool:
    """Whether a module can stand at ``path``: nothing does, and what is above it is no layer."""
    *above, name = path.split(".")
    for part in above:
        held = root._modules.get(part)
        if held is None:
            return not hasattr(root, part)
        if type(held) is not nn.Module:
            return False
        root = held
    return not hasattr(root, name) and name not in ("input", "output")


def _attach(root: nn.Module, path: str, module: nn.Module) -> None:
    *above, name = path.split(".")
    for part in above:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    root.add_module(name, module)


def finish(builder: Builder, output: Value, name: str) -> GraphModule:
    """The module, whose result is ``output``."""
    builder.graph.output(builder.plain(output).node)
    builder.graph.lint()
    return GraphModule(builder.root, builder.graph, name)


def tensor_of(values: Numbers) -> Tensor:
    """``values`` as float32."""
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32)
