"""Functions and methods of PyTorch as operations: they mostly share names and the order of arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.fx import Node

from .shape_operations import Op, adaptive_pool, as_pair, pool_operation, reshape_operation
from .tensor_shapes import Seen
from .traced_arithmetic import arithmetic
from .traced_functions import FUNCTIONS, function_of_call, plain_name

POOL = ("input", "kernel_size", "stride", "padding")
MAX_POOL = (*POOL, "dilation", "ceil_mode", "return_indices")
AVG_POOL = (*POOL, "ceil_mode", "count_include_pad", "divisor_override")

Classifier = Callable[[Node, Seen], Op | None]
"""The operation of a call; None where the hardware has none for the arguments given."""


def call_name(node: Node) -> str:
    """The name of the function or method that a node calls."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def operation_of_call(node: Node, seen: Seen) -> Op | None:
    """The operation of a function or method of PyTorch; None where the hardware has none."""
    if inspect.isfunction(node.target) and not node.target.__module__.startswith("torch."):
        return None  # a user's own, whatever its name
    name = call_name(node).removeprefix("_")
    if name in CALLS:
        return CALLS[name](node, seen)
    return function_of_call(node, seen, name) if plain_name(name) in FUNCTIONS else None


def arguments_of(node: Node, seen: Seen, names: tuple[str, ...]) -> dict[str, Any]:
    """Arguments by name, with the recorded values in the place of nodes that are no tensors."""

    def value(argument: Any) -> Any:
        if isinstance(argument, Node) and not isinstance(seen[argument], torch.Size):
            return seen[argument]
        return argument

    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    return {name: torch.fx.node.map_aggregate(argument, value) for name, argument in given.items()}


def _clamp(low: float, high: float) -> Classifier:
    """A clamp whose limits are these where the call gives none."""

    def classifier(node: Node, seen: Seen) -> Op | None:
        given = arguments_of(node, seen, ("input", "min", "max"))
        given |= {name.removesuffix("_val"): value for name, value in given.items() if name.endswith("_val")}
        pairs = ((low, given.get("min")), (high, given.get("max")))
        limits = [own if limit is None else limit for own, limit in pairs]
        if not all(isinstance(limit, int | float) for limit in limits):  # a tensor
            return None
        return Op("clamp", _tensors(node)[:1], tuple(map(float, limits)))

    return classifier


def _relu(high: float) -> Classifier:
    return lambda node, seen: Op("clamp", _tensors(node)[:1], (0.0, high))


def _tensors(node: Node) -> tuple[Node, ...]:
    return tuple(node.all_input_nodes)


def _same(node: Node, seen: Seen) -> Op:
    return Op("same", _tensors(node)[:1])


def _max_pool(node: Node, seen: Seen) -> Op | None:
    given = arguments_of(node, seen, MAX_POOL)
    if given.get("return_indices") or as_pair(given.get("dilation", 1)) != (1, 1):
        return None
    return pool_operation("max", node, seen, *(given.get(name) for name in POOL[1:]))


def _average_pool(node: Node, seen: Seen) -> Op | None:
    given = arguments_of(node, seen, AVG_POOL)
    counted = given.get("count_include_pad", True) or not given.get("padding", 0)
    if given.get("divisor_override") is not None or not counted:
        return None
    return pool_operation("mean", node, seen, *(given.get(name) for name in POOL[1:]))


def _mean(node: Node, seen: Seen) -> Op | None:
    """The mean over height and width, with or without the two dimensions kept."""
    source = node.all_input_nodes[0]
    dim = arguments_of(node, seen, ("input", "dim", "keepdim")).get("dim")
    shape = seen[source]
    dims = {d % 4 for d in dim} if isinstance(dim, (tuple, list)) else None
    if len(shape) != 4 or dims != {2, 3}:
        return None
    return Op("mean", (source,), (tuple(shape[2:]), tuple(shape[2:]), (0, 0)))


def _arithmetic(name: str) -> Classifier:
    return lambda node, seen: arithmetic(node, seen, name)


def _pad(node: Node, seen: Seen) -> Op | None:
    given = arguments_of(node, seen, ("input", "pad", "mode", "value"))
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


def _concat(node: Node, seen: Seen) -> Op | None:
    given = arguments_of(node, seen, ("tensors", "dim"))
    parts = tuple(given["tensors"])
    plain = given.get("dim", 0) in (1, 1 - len(seen[node])) and all(isinstance(part, Node) for part in parts)
    return Op("concat", parts) if plain else None


CALLS: Mapping[str, Classifier] = {
    "relu": _relu(math.inf),
    "relu6": _relu(6.0),
    "hardtanh": _clamp(-1.0, 1.0),
    **dict.fromkeys(("clamp", "clip"), _clamp(-math.inf, math.inf)),
    "add": _arithmetic("add"),
    **dict.fromkeys(("sub", "subtract"), _arithmetic("sub")),
    "rsub": _arithmetic("rsub"),
    **dict.fromkeys(("mul", "multiply"), _arithmetic("mul")),
    **dict.fromkeys(("div", "divide", "true_divide", "truediv"), _arithmetic("div")),
    **dict.fromkeys(("neg", "negative"), _arithmetic("neg")),
    "max_pool2d": _max_pool,
    "avg_pool2d": _average_pool,
    "adaptive_max_pool2d": lambda node, seen: adaptive_pool("max", node, seen),
    "adaptive_avg_pool2d": lambda node, seen: adaptive_pool("mean", node, seen),
    "mean": _mean,
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze"), reshape_operation),
    **dict.fromkeys(("contiguous", "clone", "float", "double"), _same),
    "pad": _pad,
    "getitem": _slice,
    **dict.fromkeys(("cat", "concat"), _concat),
}
"""By name, without a leading underscore."""
