"""Names of modules that the code of a graph cannot hold."""

from __future__ import annotations

import keyword

from torch import nn
from torch.fx import Graph, GraphModule

_EMPTY = nn.Module()
_TRACED = GraphModule(_EMPTY, Graph())


def is_reserved(name: str, top: bool) -> bool:
    """Whether Python, `nn.Module` or, for a module at the ``top``, torch.fx have ``name`` for themselves."""
    return keyword.iskeyword(name) or hasattr(_TRACED if top else _EMPTY, name)


def rename_reserved(model: nn.Module, graph: Graph) -> None:
    """Give modules of ``model`` an underscore at the end, and what ``graph`` calls too, where Python or torch.fx have
    the name for themselves, as ``class`` and ``graph``."""
    for parent in list(model.modules()):
        for name in list(parent._modules):
            if is_reserved(name, parent is model):
                old = {module: path for path, module in model.named_modules()}
                _rename(parent, name, f"{name}_")
                new = {old[module]: path for path, module in model.named_modules()}
                for node in graph.nodes:
                    if node.op in ("call_module", "get_attr"):
                        node.target = _moved(str(node.target), new)


def _moved(target: str, paths: dict[str, str]) -> str:
    """``target``, a module or a tensor of one, where modules are at ``paths`` now."""
    if target in paths:
        return paths[target]
    path, _, name = target.rpartition(".")
    return f"{paths[path]}.{name}" if path else name


def _rename(parent: nn.Module, name: str, new: str) -> None:
    """In its place among the modules of ``parent``."""
    modules = {new if one == name else one: module for one, module in parent._modules.items()}
    parent._modules.clear()
    parent._modules.update(modules)
