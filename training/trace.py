"""A model as a graph of operations: torch.fx, then a few rewrites that leave the function as it is."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node, Proxy, Tracer

from asm_hw.errors import ParameterError

from .batch_independence import check_batch_independence
from .explicit_padding import explicit_padding
from .in_place import out_of_place
from .module_names import rename_reserved
from .pieces import slices_for_pieces
from .plain_weights import with_plain_weights
from .prepared_layers import LAYERS
from .scale_starts import KnownScale, note_known_scales
from .shaped_parameters import shaped_parameters
from .shuffles import plain_shuffles
from .tensor_shapes import Seen, watch
from .traced_operations import DROPOUTS, NORMS, classify
from .unlike_windows import parts_of_pools

DROPOUT_MODULES = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
    torch.dropout: nn.Dropout,
}


COMPUTING = ("forward", "_conv_forward")
"""Methods of a layer that say what it computes."""


class _Proxy(Proxy):
    """Also keeps ``x += y`` as what it is for tensors: other names of ``x`` change, too."""

    def __iadd__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __isub__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

    def __imul__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    def __itruediv__(self, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})


class _Tracer(Tracer):
    """Follows hooks. Keeps a known layer whole, and a user's subclass of it, if it computes what that does."""

    def proxy(self, node: Node) -> Proxy:
        return _Proxy(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = next((kind for kind in (*LAYERS, *NORMS) if isinstance(m, kind)), None)
        if isinstance(m, KnownScale):
            return True
        if any(name in vars(m) for name in COMPUTING):  # replaced in this module alone
            return False
        if known is not None:
            return all(getattr(type(m), name, None) is getattr(known, name, None) for name in COMPUTING)
        return super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        path = self.path_of_module(m)
        if not (m._forward_hooks or m._forward_pre_hooks) or not self.is_leaf_module(m, path):
            return super().call_module(m, forward, args, kwargs)

        def call(*inputs: Any, **named: Any) -> Any:
            return self.create_proxy("call_module", path, inputs, named)

        with _forward_of(m, call):
            return forward(*args, **kwargs)  # which calls the hooks, and what is above between them


def trace(model: nn.Module, example: Tensor) -> tuple[GraphModule, Seen]:
    """A copy of ``model`` as a graph without in-place operations, and what `watch` saw on ``example``.

    Submodules and parameters keep their paths (but see `rename_reserved`). Raises `ParameterError` where torch.fx
    cannot follow the model's forward, as when it branches on values.
    """
    model = with_plain_weights(model)
    try:
        graph = _Tracer().trace(_of_one_input(model))
        rename_reserved(model, graph)
        traced = GraphModule(model, graph, type(model).__name__)
    except Exception as error:  # of any kind: the model is a stranger's
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParameterError(f"model {type(model).__name__} must be traceable by torch.fx: {reason}") from None
    for path, module in traced.named_modules():  # fresh containers hold the modules
        module.training = model.get_submodule(path).training
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            hooks.clear()  # integers have none; `check_same_function` tells whether one changed anything
    note_known_scales(traced)
    out_of_place(traced, example)
    shaped_parameters(traced)
    _functional_dropout(traced)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    seen = watch(traced, example)
    for rewrite in (slices_for_pieces, plain_shuffles, explicit_padding, parts_of_pools):
        if rewrite(traced, seen):
            traced.recompile()
            seen = watch(traced, example)
    while _hoist_clamp(traced, seen):
        seen = watch(traced, example)
    check_batch_independence(traced, seen, example)
    return traced, seen


@contextmanager
def _forward_of(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """``module`` computes ``forward``."""
    own = vars(module).get("forward")
    vars(module)["forward"] = forward
    try:
        yield
    finally:
        vars(module).pop("forward")
        if own is not None:
            vars(module)["forward"] = own


def _of_one_input(model: nn.Module) -> nn.Module:
    """``model``, whose forward torch.fx takes from its class, with its hooks, and defaults for all but its input."""
    forward = model.forward

    def called(self: nn.Module, x: Any) -> Any:
        with _forward_of(self, forward):
            return self._call_impl(x)

    vars(model).pop("forward", None)
    model.__class__ = type(type(model).__name__, (type(model),), {"forward": called})
    return model


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

    Both only pick values, so the order makes no difference. A pad of zeros needs a clamp that keeps 0, a dropout,
    which scales what it keeps, one that no scale changes.
    """
    for node in model.graph.nodes:
        if node.op in ("placeholder", "output") or classify(node, model, seen).kind != "clamp":
            continue
        before = node.all_input_nodes[0]
        op = classify(before, model, seen)
        if op.kind not in ("max", "move", "same") or len(before.users) > 1:
            continue
        low, high = classify(node, model, seen).detail
        scales = before.op == "call_module" and isinstance(model.get_submodule(str(before.target)), DROPOUTS)
        if not low <= 0 <= high or (scales and not {low, high} <= {0.0, math.inf, -math.inf}):
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
