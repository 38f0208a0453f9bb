"""What each node of a traced model does, in the few operations that the integer hardware knows.

`classify` maps modules, functions and methods of PyTorch to an `Op`; what it does not know is the kind
``other``, which training may keep in float and which `convert` refuses by its module path.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from .quantizer import ActivationQuantizer, Gain, Narrowing
from .tensor_shapes import Seen

LAYERS = (nn.Conv2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)
OWN = {ActivationQuantizer: "quantize", Narrowing: "narrow", Gain: "gain"}


Pair = tuple[int, int]


@dataclass(frozen=True)
class Op:
    """A node's operation: ``kind``, the nodes of its tensors, and what the kind needs.

    input, output, value (no tensor); layer, norm, quantize, narrow, gain (detail: the module); clamp
    (low, high); add; concat; mean and max (kernel, stride, padding as pairs); move (action, arguments);
    same; other (detail: what it calls).
    """

    kind: str
    inputs: tuple[Node, ...] = ()
    detail: Any = None


def path_of(node: Node) -> str:
    """The module path that a node belongs to: its own module, or the innermost whose forward calls it."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values()]
    return paths[-1] if paths else ""


def call_name(node: Node) -> str:
    """The name of the function or method that a node calls."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


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
        found, name = _of_module(node, module, seen), type(module).__name__
    else:
        found, name = _of_call(node, seen), call_name(node)
    return found or Op("other", tuple(node.all_input_nodes), name)


def _of_module(node: Node, module: nn.Module, seen: Seen) -> Op | None:
    tensors = tuple(node.all_input_nodes)
    if type(module) in OWN:
        return Op(OWN[type(module)], tensors, module)
    for kinds, kind in ((LAYERS, "layer"), (NORMS, "norm")):
        if isinstance(module, kinds):
            return Op(kind, tensors, module)
    if isinstance(module, (nn.Identity, *DROPOUTS)):
        return Op("same", tensors)
    if isinstance(module, nn.Hardtanh):  # ReLU6 as well
        return Op("clamp", tensors, (module.min_val, module.max_val))
    if isinstance(module, nn.ReLU):
        return Op("clamp", tensors, (0.0, math.inf))
    if isinstance(module, nn.MaxPool2d) and not module.return_indices and _pair(module.dilation) == (1, 1):
        return _pool("max", node, seen, module.kernel_size, module.stride, module.padding)
    if isinstance(module, nn.AvgPool2d) and module.divisor_override is None:
        if not module.count_include_pad and _pair(module.padding) != (0, 0):
            return None
        return _pool("mean", node, seen, module.kernel_size, module.stride, module.padding)
    if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
        return _adaptive("mean" if isinstance(module, nn.AdaptiveAvgPool2d) else "max", node, seen)
    if isinstance(module, nn.ZeroPad2d):
        left, right, top, bottom = module.padding
        return Op("move", tensors, ("pad", (left, right, top, bottom, 0, 0)))
    return _reshape(node, seen) if isinstance(module, (nn.Flatten, nn.Unflatten)) else None


CLAMPS = {"relu": (0.0, math.inf), "relu_": (0.0, math.inf), "relu6": (0.0, 6.0)}
RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze"}
SAME = {"contiguous", "clone"}
POOL = ("input", "kernel_size", "stride", "padding")
MAX_POOL = (*POOL, "dilation", "ceil_mode", "return_indices")
AVG_POOL = (*POOL, "ceil_mode", "count_include_pad", "divisor_override")


def _of_call(node: Node, seen: Seen) -> Op | None:
    """The operation of a function or method, which mostly share names and argument order."""
    name, tensors = call_name(node).removeprefix("_"), tuple(node.all_input_nodes)
    first = tensors[:1]
    if name in CLAMPS:
        return Op("clamp", first, CLAMPS[name])
    if name in ("hardtanh", "hardtanh_", "clamp", "clip", "clamp_"):
        low, high = (-1.0, 1.0) if name.startswith("hardtanh") else (-math.inf, math.inf)
        given = _arguments(node, seen, ("input", "min", "max"))
        given |= {k.removesuffix("_val"): v for k, v in given.items() if k.endswith("_val")}
        low, high = (
            limit if value is None else value for limit, value in ((low, given.get("min")), (high, given.get("max")))
        )
        return Op("clamp", first, (float(low), float(high)))
    if name in ("add", "iadd", "add_"):
        return _add(node, seen)
    if name == "max_pool2d" or node.target is F.max_pool2d:
        given = _arguments(node, seen, MAX_POOL)
        plain = not given.get("return_indices") and _pair(given.get("dilation", 1)) == (1, 1)
        return _pool("max", node, seen, *(given.get(k) for k in POOL[1:])) if plain else None
    if name == "avg_pool2d":
        given = _arguments(node, seen, AVG_POOL)
        plain = given.get("divisor_override") is None and (
            given.get("count_include_pad", True) or not given.get("padding", 0)
        )
        return _pool("mean", node, seen, *(given.get(k) for k in POOL[1:])) if plain else None
    if name == "adaptive_avg_pool2d" or node.target is F.adaptive_max_pool2d:
        return _adaptive("mean" if "avg" in name else "max", node, seen)
    if name == "mean":
        return _mean(node, seen)
    if name in RESHAPES:
        return _reshape(node, seen)
    if name in SAME:
        return Op("same", first)
    if name == "pad":
        return _pad(node, seen)
    if node.target is operator.getitem:
        return _slice(node, seen)
    if name in ("cat", "concat"):
        given = _arguments(node, seen, ("tensors", "dim"))
        parts = tuple(given["tensors"])
        plain = given.get("dim", 0) in (1, 1 - len(seen[node])) and all(isinstance(part, Node) for part in parts)
        return Op("concat", parts) if plain else None
    return None


def _arguments(node: Node, seen: Seen, names: tuple[str, ...]) -> dict[str, Any]:
    """Arguments by name, with the recorded values in the place of nodes that are no tensors."""

    def value(argument: Any) -> Any:
        if isinstance(argument, Node) and not isinstance(seen[argument], torch.Size):
            return seen[argument]
        return argument

    return {
        k: torch.fx.node.map_aggregate(v, value)
        for k, v in (dict(zip(names, node.args, strict=False)) | dict(node.kwargs)).items()
    }


def _pair(value: Any) -> Pair:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    return (int(pair[0]), int(pair[-1]))


def _pool(kind: str, node: Node, seen: Seen, kernel: Any, stride: Any, padding: Any) -> Op | None:
    """A window of [n, c, h, w]; with ``ceil_mode`` only where it changes nothing."""
    source = node.all_input_nodes[0]
    kernel = _pair(kernel)
    window = (kernel, _pair(stride) if stride not in (None, [], ()) else kernel, _pair(padding or 0))
    sizes = zip(seen[source][2:], *window, strict=True)
    expected = tuple((size + 2 * p - k) // s + 1 for size, k, s, p in sizes)
    return Op(kind, (source,), window) if len(seen[node]) == 4 and tuple(seen[node][2:]) == expected else None


def _adaptive(kind: str, node: Node, seen: Seen) -> Op | None:
    """An adaptive pool whose windows are all alike."""
    source = node.all_input_nodes[0]
    if len(seen[source]) != 4 or any(i % o for i, o in zip(seen[source][2:], seen[node][2:], strict=True)):
        return None
    height, width = (i // o for i, o in zip(seen[source][2:], seen[node][2:], strict=True))
    return Op(kind, (source,), ((height, width), (height, width), (0, 0)))


def _mean(node: Node, seen: Seen) -> Op | None:
    """The mean over height and width, with or without the two dimensions kept."""
    source = node.all_input_nodes[0]
    dim = _arguments(node, seen, ("input", "dim", "keepdim")).get("dim")
    shape = seen[source]
    dims = {d % 4 for d in dim} if isinstance(dim, (tuple, list)) else None
    if len(shape) != 4 or dims != {2, 3}:
        return None
    return Op("mean", (source,), (tuple(shape[2:]), tuple(shape[2:]), (0, 0)))


def _reshape(node: Node, seen: Seen) -> Op | None:
    source = node.all_input_nodes[0]
    if seen[source][0] != seen[node][0]:
        return None
    return Op("move", (source,), ("reshape", tuple(seen[node][1:])))


def _add(node: Node, seen: Seen) -> Op | None:
    tensors = tuple(a for a in node.args if isinstance(a, Node))
    if len(tensors) != 2 or node.kwargs or seen[tensors[0]] != seen[tensors[1]]:
        return None
    return Op("add", tensors)


def _pad(node: Node, seen: Seen) -> Op | None:
    given = _arguments(node, seen, ("input", "pad", "mode", "value"))
    pad = tuple(given["pad"])
    if given.get("mode", "constant") != "constant" or given.get("value") not in (None, 0) or min(pad) < 0:
        return None
    if len(seen[node]) != 4 or len(pad) > 6:
        return None
    return Op("move", (node.all_input_nodes[0],), ("pad", pad + (0,) * (6 - len(pad))))


def _slice(node: Node, seen: Seen) -> Op | None:
    """Steps through a tensor [n, ...]: every image, no dimension dropped or added."""
    source = node.args[0]
    index = torch.fx.node.map_aggregate(node.args[1], lambda a: seen[a] if isinstance(a, Node) else a)
    index = index if isinstance(index, tuple) else (index,)
    if not isinstance(source, Node) or not isinstance(seen[source], torch.Size):
        return None
    if not all(isinstance(i, slice) for i in index) or index[0] != slice(None):
        return None
    shape = seen[source]
    steps = [i.indices(size) for i, size in zip(index[1:], shape[1:], strict=False)]
    steps += [(0, size, 1) for size in shape[1 + len(steps) :]]
    return Op("move", (source,), ("slice", tuple(v for step in steps for v in step)))
