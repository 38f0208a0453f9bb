"""Parameters and buffers that a model reshapes where it uses them, held in that shape."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from .traced_calls import call_name

RESHAPES = ("contiguous", "flatten", "getitem", "reshape", "squeeze", "unflatten", "unsqueeze", "view")
"""Calls that give the same numbers in another shape."""


@torch.no_grad()
def shaped_parameters(model: GraphModule) -> None:
    """Take ``gamma.view(1, -1, 1, 1)`` of the traced ``model`` as ``gamma`` of that shape, at its path, to be trained.

    Where all who read a parameter or buffer reshape it alike; what reads it in other ways, too, is left as it is.
    """
    while any(_take_shape(model, path, nodes) for path, nodes in _held(model).items()):
        pass


def _held(model: GraphModule) -> dict[str, list[Node]]:
    """The nodes that fetch each tensor, by its path; none of tensors that have two paths."""
    found: dict[str, list[Node]] = {}
    for node in model.graph.nodes:
        if node.op == "get_attr":
            found.setdefault(str(node.target), []).append(node)
    tensors = [
        *(value for _, value in model.named_parameters(remove_duplicate=False)),
        *(value for _, value in model.named_buffers(remove_duplicate=False)),
    ]
    return {path: nodes for path, nodes in found.items() if sum(one is _tensor(model, path) for one in tensors) == 1}


def _take_shape(model: GraphModule, path: str, nodes: list[Node]) -> bool:
    """Keep the tensor at ``path`` as those who read it want it; whether that was another shape."""
    held = _tensor(model, path)
    users = [user for node in nodes for user in node.users]
    shaped = [_reshaped(user, held) for user in users]
    first = shaped[0] if shaped else None
    if first is None or any(one is None or one.shape != first.shape for one in shaped):
        return False
    parent, _, name = path.rpartition(".")
    home = model.get_submodule(parent)
    if isinstance(held, nn.Parameter):
        home._parameters[name] = nn.Parameter(first.clone(), held.requires_grad)
    else:
        home._buffers[name] = first.clone()
    for user in users:
        user.replace_all_uses_with(user.all_input_nodes[0])
        model.graph.erase_node(user)
    return True


def _reshaped(user: Node, held: Tensor) -> Tensor | None:
    """What ``user`` makes of the tensor ``held`` alone; None if that is not all of its numbers in their order."""
    called = user.op in ("call_function", "call_method") and call_name(user) in RESHAPES
    if not called or len(user.all_input_nodes) != 1:
        return None

    def value(_: Node) -> Any:
        return held

    args, kwargs = map_arg(user.args, value), map_arg(user.kwargs, value)
    call = getattr(Tensor, user.target) if isinstance(user.target, str) else user.target
    result: Tensor = call(*args, **kwargs)
    return result if torch.equal(result.flatten(), held.flatten()) else None


def _tensor(model: GraphModule, path: str) -> Tensor:
    """The parameter or buffer at ``path``."""
    parent, _, name = path.rpartition(".")
    found: Tensor = getattr(model.get_submodule(parent), name)
    return found
