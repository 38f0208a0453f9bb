"""A model as a graph of operations: torch.fx, then a few rewrites that leave the function as it is."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node, Tracer

from asm_hw.errors import ParameterError

from .prepared_layers import LAYERS
from .tensor_shapes import Seen, watch
from .traced_operations import NORMS, classify

IN_PLACE = {operator.iadd: operator.add, "relu_": "relu", "add_": "add", "clamp_": "clamp", "hardtanh_": "hardtanh"}
DROPOUT_MODULES = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
    torch.dropout: nn.Dropout,
}


class _Tracer(Tracer):
    """Also keeps a user's subclass of a known layer whole, if it computes what its base does."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = next((kind for kind in (*LAYERS, *NORMS) if isinstance(m, kind)), None)
        if known is not None and type(m).forward is known.forward:
            return True
        return super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module, example: Tensor) -> tuple[GraphModule, Seen]:
    """A copy of ``model`` as a graph without in-place operations, and what `watch` saw on ``example``.

    Submodules and parameters keep their paths. Raises `ParameterError` where torch.fx cannot follow the
    model's forward, as when it branches on values.
    """
    try:
        model = copy.deepcopy(model)
    except RuntimeError:  # a tensor that is computed from others, as by torch.nn.utils.weight_norm
        raise ParameterError(f"model {type(model).__name__} must have plain weights, not computed ones") from None
    tracer = _Tracer()
    try:
        graph = tracer.trace(model, concrete_args=_defaults(model))
    except (torch.fx.proxy.TraceError, TypeError, RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParameterError(f"model {type(model).__name__} must be traceable by torch.fx: {reason}") from None
    _drop_defaults(graph)
    traced = GraphModule(model, graph, type(model).__name__)
    for path, module in traced.named_modules():  # fresh containers hold the modules
        module.training = model.get_submodule(path).training
    _out_of_place(traced)
    _functional_dropout(traced)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    seen = watch(traced, example)
    while _hoist_clamp(traced, seen):
        seen = watch(traced, example)
    return traced, seen


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Arguments of the model's forward, after its input, that keep their defaults."""
    arguments = list(inspect.signature(model.forward).parameters.values())[1:]
    return {one.name: one.default for one in arguments if one.default is not one.empty}


def _drop_defaults(graph: Graph) -> None:
    """Takes out the inputs of `_defaults`, which nothing reads but checks that they keep their values."""

    def erase(node: Node) -> None:
        for user in list(node.users):
            erase(user)
        graph.erase_node(node)

    first = next(iter(graph.nodes))
    for node in list(graph.nodes):
        if node.op == "placeholder" and node.args and node is not first:
            erase(node)


def _out_of_place(model: GraphModule) -> None:
    """Nothing may overwrite a tensor that a quantizer keeps for its gradient."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            setattr(module, "inplace", False)  # noqa: B010 - whatever the module's type
    for node in model.graph.nodes:
        node.target = IN_PLACE.get(node.target, node.target)
        if "inplace" in node.kwargs:
            node.kwargs = {k: v for k, v in node.kwargs.items() if k != "inplace"}
        if node.target in (F.relu, F.relu6) and len(node.args) > 1:
            node.args = node.args[:1]


def _functional_dropout(model: GraphModule) -> None:
    """``F.dropout`` with ``training`` as it was traced would stay on, or off, for ever: make modules of it."""
    for node in list(model.graph.nodes):
        kind = DROPOUT_MODULES.get(node.target)
        if kind is not None:
            share = node.args[1] if len(node.args) > 1 else node.kwargs.get("p", 0.5)
            name = f"asm_{node.name}"
            model.add_submodule(name, kind(float(share)).train(model.training))
            _replace(model.graph, node, name, node.args[0])


def _replace(graph: Graph, node: Node, path: str, source: Any) -> Node:
    with graph.inserting_before(node):
        new = graph.call_module(path, (source,))
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph.erase_node(node)
    return new


def _always(source: Node) -> Callable[[Node], Node]:
    """Puts ``source`` in the place of every argument."""
    return lambda _: source


def _hoist_clamp(model: GraphModule, seen: Seen) -> bool:
    """Swap one clamp with the max pool or move before it: the stored tensor is then unsigned.

    Both only pick values, so the order makes no difference. A pad of zeros needs a clamp that keeps 0.
    """
    for node in model.graph.nodes:
        if node.op in ("placeholder", "output") or classify(node, model, seen).kind != "clamp":
            continue
        before = node.all_input_nodes[0]
        op = classify(before, model, seen)
        if op.kind not in ("max", "move", "same") or len(before.users) > 1:
            continue
        low, high = classify(node, model, seen).detail
        if not low <= 0 <= high:
            continue
        source = op.inputs[0]
        with model.graph.inserting_before(before):
            moved = model.graph.node_copy(node, _always(source))
        before.replace_input_with(source, moved)
        node.replace_all_uses_with(before)
        model.graph.erase_node(node)
        model.recompile()
        return True
    return False
