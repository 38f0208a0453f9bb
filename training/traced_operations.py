"""What each node of a traced model does, in the few operations that the integer hardware knows.

`classify` maps modules, functions and methods of PyTorch to an `Op`; what it does not know is the kind
``other``, which training may keep in float and which `convert` refuses by its module path.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from .moved_dimensions import pad_operation
from .prepared_layers import LAYERS
from .quantizer import ActivationQuantizer, Gain, Narrowing
from .shape_operations import Op, adaptive_pool, pool_operation, reshape_operation
from .tensor_shapes import FixedSize, Seen
from .traced_calls import call_name, operation_of_call
from .traced_functions import function_of_module

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)
PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d)
POOLS: dict[type[nn.Module], tuple[str, int]] = {
    nn.MaxPool1d: ("max", 1),
    nn.MaxPool2d: ("max", 2),
    nn.AvgPool1d: ("mean", 1),
    nn.AvgPool2d: ("mean", 2),
}
ADAPTIVE_POOLS: dict[type[nn.Module], tuple[str, int]] = {
    nn.AdaptiveMaxPool1d: ("max", 1),
    nn.AdaptiveMaxPool2d: ("max", 2),
    nn.AdaptiveAvgPool1d: ("mean", 1),
    nn.AdaptiveAvgPool2d: ("mean", 2),
}
OWN = {ActivationQuantizer: "quantize", Narrowing: "narrow", Gain: "gain"}

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def path_of(node: Node) -> str:
    """The module path that a node belongs to: its own module, or the innermost whose forward calls it."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values()]
    return paths[-1] if paths else ""


def place_of(node: Node) -> str:
    """Where in the model ``node`` is, for messages."""
    path = path_of(node)
    return f"module {path!r}" if path else "the model itself"


def classify(node: Node, model: GraphModule, seen: Seen) -> Op:
    """The operation of ``node`` in ``model``, as `watch` saw it."""
    if node.op == "placeholder":
        return Op("input")
    if node.op == "output":
        return Op("output", tuple(node.all_input_nodes))
    if node.op == "get_attr" or not isinstance(seen[node], torch.Size):
        several = isinstance(seen[node], tuple | list) and any(isinstance(one, Tensor) for one in seen[node])
        return Op("other", tuple(node.all_input_nodes), call_name(node)) if several else Op("value")
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        found, name = _operation_of_module(node, module, seen), type(module).__name__
    else:
        found, name = operation_of_call(node, seen), call_name(node)
    return found or Op("other", tuple(node.all_input_nodes), name)


def _operation_of_module(node: Node, module: nn.Module, seen: Seen) -> Op | None:
    tensors = tuple(node.all_input_nodes)
    if type(module) in OWN:
        return Op(OWN[type(module)], tensors, module)
    for kinds, kind in ((LAYERS, "layer"), (NORMS, "norm")):
        if isinstance(module, kinds):
            return Op(kind, tensors, module)
    if isinstance(module, (nn.Identity, FixedSize, *DROPOUTS)):
        return Op("same", tensors)
    if isinstance(module, nn.Hardtanh):  # ReLU6 as well
        return Op("clamp", tensors, (module.min_val, module.max_val))
    if isinstance(module, nn.ReLU):
        return Op("clamp", tensors, (0.0, math.inf))
    if isinstance(module, PADS) and getattr(module, "value", 0) == 0:
        return pad_operation(node, seen, tuple(module.padding))
    for pools, (kind, dimensions) in POOLS.items():
        if isinstance(module, pools) and not getattr(module, "return_indices", False):
            return pool_operation(kind, node, seen, dimensions, vars(module))
    for pools, (kind, dimensions) in ADAPTIVE_POOLS.items():
        if isinstance(module, pools):
            return adaptive_pool(kind, node, seen, dimensions)
    if isinstance(module, (nn.Flatten, nn.Unflatten)):
        return reshape_operation(node, seen)
    return function_of_module(node, module)
