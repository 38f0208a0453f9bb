"""In-place calls of a traced model made to give new tensors: who reads the old one later reads the new one."""

from __future__ import annotations

import inspect
import operator
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import map_arg

from asm_hw.errors import ParameterError

from .tensor_shapes import evaluate
from .traced_calls import call_name
from .traced_operations import place_of

OPERATORS = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}

Shape = tuple[int, ...]


def out_of_place(model: GraphModule, example: Tensor) -> None:
    """Rewrite every in-place call of the traced ``model``; its modules no longer work in place.

    Which tensors share memory is seen on ``example`` [n, ...]. Nothing may overwrite a tensor that a quantizer keeps
    for its gradient. Raises `ParameterError` where part of a tensor is overwritten, or a part is read of one that is.
    """
    memory = _Memory(model)
    evaluate(memory, example.clone())
    current: dict[Node, Node | None] = {}
    nodes = list(model.graph.nodes)
    in_place = {node for node in nodes if _works_in_place(node, model)}  # of a module that is called again, all calls
    for node in nodes:
        _read_current(node, current)
        if node in in_place:
            current |= {other: _as(node, shape) for other, shape in memory.aliases[node].items()}
            _give_new_tensor(node, model)
        elif memory.changes[node]:
            raise ParameterError(f"{place_of(node)} must not overwrite parts of tensors, as {call_name(node)} does")


class _Memory(Interpreter):
    """Runs a model as it is, in-place calls among it, and keeps which tensors share memory, and which change."""

    def __init__(self, model: GraphModule) -> None:
        super().__init__(model, garbage_collect_values=False)
        self.aliases: dict[Node, dict[Node, Shape | None]] = {}
        """By node: those before it in the memory of its first input, and their shapes where they hold all of it."""
        self.changes: dict[Node, bool] = {}

    def run_node(self, n: Node) -> Any:
        before = {node: value for node, value in self.env.items() if isinstance(value, Tensor)}
        versions = {node: value._version for node, value in before.items()}
        first = before.get(n.all_input_nodes[0]) if n.all_input_nodes else None
        self.aliases[n] = {} if first is None else _aliases(first, before)
        result = super().run_node(n)
        self.changes[n] = any(value._version != versions[node] for node, value in before.items())
        return result


def _aliases(first: Tensor, others: dict[Node, Tensor]) -> dict[Node, Shape | None]:
    start = first.untyped_storage().data_ptr()
    sharing = {node: value for node, value in others.items() if value.untyped_storage().data_ptr() == start}
    return {node: tuple(value.shape) if _whole(value, first) else None for node, value in sharing.items()}


def _whole(one: Tensor, two: Tensor) -> bool:
    """Whether two tensors in the same memory hold the same elements, each input's by itself, in the same order."""
    if (one.storage_offset(), one.numel(), one.shape[:1]) != (two.storage_offset(), two.numel(), two.shape[:1]):
        return False
    alike = (one.shape, one.stride()) == (two.shape, two.stride())
    return alike or (one.is_contiguous() and two.is_contiguous())


def _read_current(node: Node, current: dict[Node, Node | None]) -> None:
    """Let ``node`` read what holds the values of its inputs now."""

    def now(source: Node) -> Node:
        found = current.get(source, source)
        if found is None:
            raise ParameterError(f"{place_of(node)} must not read part of a tensor that was overwritten, {source}")
        return found

    node.args, node.kwargs = map_arg(node.args, now), map_arg(node.kwargs, now)


def _as(node: Node, shape: Shape | None) -> Node | None:
    """The result of ``node`` in ``shape``; None where that has not all of its elements."""
    if shape is None:
        return None
    with node.graph.inserting_after(node):
        return node.graph.call_method("reshape", (node, (-1, *shape[1:])))


def _works_in_place(node: Node, model: GraphModule) -> bool:
    """Whether a call may overwrite its first input, in training or evaluation."""
    if node.op == "call_module":
        return bool(getattr(model.get_submodule(str(node.target)), "inplace", False))
    if node.op not in ("call_function", "call_method"):
        return False
    name = call_name(node)
    named = name.endswith("_") and not name.startswith("__")
    return named or node.target in OPERATORS or _asked_in_place(node)


def _asked_in_place(node: Node) -> bool:
    """Whether a function is called with ``inplace``, by name or by place."""
    place = _place(node)
    given = place is not None and len(node.args) > place and node.args[place]
    return bool(node.kwargs.get("inplace", given))


def _place(node: Node) -> int | None:
    """The place of the argument ``inplace`` of a function; None where it has none."""
    if not inspect.isfunction(node.target):
        return None
    names = list(inspect.signature(node.target).parameters)
    return names.index("inplace") if "inplace" in names else None


def _give_new_tensor(node: Node, model: GraphModule) -> None:
    """The same call, not in place."""
    if node.op == "call_module":
        setattr(model.get_submodule(str(node.target)), "inplace", False)  # noqa: B010 - whatever its type
        return
    place = _place(node)
    node.kwargs = {name: value for name, value in node.kwargs.items() if name != "inplace"}
    node.args = node.args[:place] if place is not None else node.args
    target: Any = node.target
    node.target = OPERATORS.get(target, target)
    name = call_name(node)
    if name.endswith("_"):
        homes = (Tensor,) if node.op == "call_method" else (torch, torch.nn.functional)
        found = next((getattr(home, name[:-1]) for home in homes if hasattr(home, name[:-1])), None)
        if found is None:
            raise ParameterError(f"{place_of(node)} must not overwrite tensors, as {name} does")
        node.target = name[:-1] if node.op == "call_method" else found
