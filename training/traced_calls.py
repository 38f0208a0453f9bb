"""Functions and methods of PyTorch as operations: they mostly share names and the order of arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.fx import Node

from .moved_dimensions import pad_operation, permutation
from .shape_operations import Op, Window, adaptive_pool, map_shape, pool_operation, reshape_operation
from .tensor_shapes import Seen
from .traced_arithmetic import arithmetic
from .traced_functions import FUNCTIONS, function_of_call, plain_name

POOL = ("input", "kernel_size", "stride", "padding")
MAX_POOL = (*POOL, "dilation", "ceil_mode", "return_indices")
AVG_POOL = (*POOL, "ceil_mode", "count_include_pad", "divisor_override")

NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}
"""What PyTorch, too, takes arguments by, as NumPy calls them."""

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

    named = {NUMPY_NAMES.get(name, name): argument for name, argument in node.kwargs.items()}
    given = dict(zip(names, node.args, strict=False)) | named
    return {name: torch.fx.node.map_aggregate(argument, value) for name, argument in given.items()}


def _clamp(low: float, high: float, names: tuple[str, ...] = ("input", "min", "max")) -> Classifier:
    """A clamp whose limits are these where the call gives none; ``names``: of its arguments, in order."""

    def classifier(node: Node, seen: Seen) -> Op | None:
        given = arguments_of(node, seen, names)
        given |= {name.removesuffix("_val"): value for name, value in given.items() if name.endswith("_val")}
        pairs = ((low, given.get("min")), (high, given.get("max")))
        limits = [own if limit is None else limit for own, limit in pairs]
        if not all(isinstance(limit, int | float) and not math.isnan(limit) for limit in limits):  # a tensor, or none
            return None
        least, most = map(float, limits)
        return Op("clamp", _tensors(node)[:1], (min(least, most), most))  # of PyTorch's limits the upper one wins

    return classifier


def _relu(high: float) -> Classifier:
    return lambda node, seen: Op("clamp", _tensors(node)[:1], (0.0, high))


def _tensors(node: Node) -> tuple[Node, ...]:
    return tuple(node.all_input_nodes)


def _same(node: Node, seen: Seen) -> Op:
    return Op("same", _tensors(node)[:1])


def _pool(kind: str, dimensions: int) -> Classifier:
    """A pool of maps or, if ``dimensions`` is 1, of rows."""

    def classifier(node: Node, seen: Seen) -> Op | None:
        given = arguments_of(node, seen, MAX_POOL if kind == "max" else AVG_POOL)
        return None if given.get("return_indices") else pool_operation(kind, node, seen, dimensions, given)

    return classifier


def _adaptive(kind: str, dimensions: int) -> Classifier:
    return lambda node, seen: adaptive_pool(kind, node, seen, dimensions)


def _mean(node: Node, seen: Seen) -> Op | None:
    """The mean over height, width or both, or over the length, with or without the dimensions kept."""
    source = node.all_input_nodes[0]
    given = arguments_of(node, seen, ("input", "dim", "keepdim"))
    dim, shape = given.get("dim"), seen[source]
    if len(shape) not in (3, 4) or dim is None or given.get("dtype") is not None:
        return None
    dims = {d % len(shape) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    if not dims or min(dims) < 2:
        return None
    places = (2, 3) if len(shape) == 4 else (None, 2)
    sizes = zip(places, map_shape(shape[1:])[1:], strict=True)
    height, width = (size if place in dims else 1 for place, size in sizes)
    return Op("mean", (source,), (Window((height, width), (height, width)), float(height * width)))


def _arithmetic(name: str) -> Classifier:
    return lambda node, seen: arithmetic(node, seen, name)


def _pad(node: Node, seen: Seen) -> Op | None:
    given = arguments_of(node, seen, ("input", "pad", "mode", "value"))
    if given.get("mode", "constant") != "constant" or given.get("value") not in (None, 0):
        return None
    return pad_operation(node, seen, tuple(given["pad"]))


def _slice(node: Node, seen: Seen) -> Op | None:
    """Steps through a tensor [n, ...]: every image, no dimension dropped or added."""
    source = node.args[0]
    index = torch.fx.node.map_aggregate(node.args[1], lambda a: seen[a] if isinstance(a, Node) else a)
    index = index if isinstance(index, tuple) else (index,)
    if not isinstance(source, Node) or not isinstance(seen[source], torch.Size):
        return None
    shape = seen[source]
    gap = next((place for place, i in enumerate(index) if i is ...), None)
    if gap is not None:  # all the dimensions that are not named
        index = (*index[:gap], *[slice(None)] * (len(shape) + 1 - len(index)), *index[gap + 1 :])
    if not all(isinstance(i, slice) for i in index) or index[0] != slice(None):
        return None
    steps = [i.indices(size) for i, size in zip(index[1:], shape[1:], strict=False)]
    steps += [(0, size, 1) for size in shape[1 + len(steps) :]]
    if len(shape) == 3:  # a map of one row
        steps.insert(1, (0, 1, 1))
    return Op("move", (source,), ("slice", tuple(v for step in steps for v in step)))


def _concat(node: Node, seen: Seen) -> Op | None:
    given = arguments_of(node, seen, ("tensors", "dim"))
    parts = tuple(given["tensors"])
    dim = given.get("dim", 0) % len(seen[node])
    if dim == 0 or not all(isinstance(part, Node) for part in parts):
        return None
    if dim == 1:
        return Op("concat", parts)
    return Op("append", parts, dim + 4 - len(seen[node])) if len(seen[node]) in (3, 4) else None


CALLS: Mapping[str, Classifier] = {
    "relu": _relu(math.inf),
    "relu6": _relu(6.0),
    "hardtanh": _clamp(-1.0, 1.0),
    **dict.fromkeys(("clamp", "clip"), _clamp(-math.inf, math.inf)),
    "clamp_min": _clamp(-math.inf, math.inf, ("input", "min")),
    "clamp_max": _clamp(-math.inf, math.inf, ("input", "max")),
    "add": _arithmetic("add"),
    **dict.fromkeys(("sub", "subtract"), _arithmetic("sub")),
    "rsub": _arithmetic("rsub"),
    **dict.fromkeys(("mul", "multiply"), _arithmetic("mul")),
    **dict.fromkeys(("div", "divide", "true_divide", "truediv"), _arithmetic("div")),
    **dict.fromkeys(("neg", "negative"), _arithmetic("neg")),
    **{f"max_pool{d}d": _pool("max", d) for d in (1, 2)},
    **{f"avg_pool{d}d": _pool("mean", d) for d in (1, 2)},
    **{f"adaptive_max_pool{d}d": _adaptive("max", d) for d in (1, 2)},
    **{f"adaptive_avg_pool{d}d": _adaptive("mean", d) for d in (1, 2)},
    "mean": _mean,
    **dict.fromkeys(("flatten", "unflatten", "view", "reshape", "squeeze", "unsqueeze"), reshape_operation),
    **dict.fromkeys(("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"), permutation),
    **dict.fromkeys(("contiguous", "clone", "float", "double"), _same),
    "pad": _pad,
    "getitem": _slice,
    **dict.fromkeys(("cat", "concat"), _concat),
}
"""By name, without a leading underscore."""
