"""Names of modules, tensors and steps that the code of a graph cannot hold."""

from __future__ import annotations

import keyword
from typing import Any

from torch import nn
from torch.fx import Graph, GraphModule

_EMPTY = nn.Module()
_TRACED = GraphModule(_EMPTY, Graph())


def is_reserved(name: str, top: bool) -> bool:
    """Whether Python, `nn.Module` or, for a module at the ``top``, torch.fx have ``name`` for themselves."""
    return keyword.iskeyword(name) or hasattr(_TRACED if top else _EMPTY, name)


def rename_reserved(model: nn.Module, graph: Graph) -> None:
    """Give modules and tensors of ``model`` an underscore at the end, and what ``graph`` calls too, where Python or
    torch.fx have the name for themselves, as ``class`` and ``graph``; so, too, steps that modules are named after."""
    for parent in list(model.modules()):
        for name in list(parent._modules):
            if is_reserved(name, parent is model):
                old = {module: path for path, module in model.named_modules()}
                _rename(parent._modules, name, _free(parent, name))
                new = {old[module]: path for path, module in model.named_modules()}
                for node in graph.nodes:
                    if node.op in ("call_module", "get_attr"):
                        node.target = _moved(str(node.target), new)
    for tensors in (model._parameters, model._buffers):
        for name in [name for name in tensors if hasattr(GraphModule, name)]:
            new_name = _free(model, name)
            _rename(tensors, name, new_name)
            for node in graph.nodes:
                if node.op == "get_attr" and node.target == name:
                    node.target = new_name
    for node in graph.nodes:
        if node.name == "self" or hasattr(nn.Module, node.name):
            node._rename(f"{node.name}_")


def _free(parent: nn.Module, name: str) -> str:
    """``name`` with as many underscores as it takes until ``parent`` has nothing of that name."""
    while hasattr(parent, name) or is_reserved(name, top=True):
        name = f"{name}_"
    return name


def _moved(target: str, paths: dict[str, str]) -> str:
    """``target``, a module or a tensor of one, where modules are at ``paths`` now."""
    if target in paths:
        return paths[target]
    path, _, name = target.rpartition(".")
    return f"{paths[path]}.{name}" if path else name


def _rename(held: dict[str, Any], name: str, new: str) -> None:
    """In its place among what a module has ``held``."""
    renamed = {new if one == name else one: value for one, value in held.items()}
    held.clear()
    held.update(renamed)
