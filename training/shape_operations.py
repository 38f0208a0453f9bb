"""An operation of a traced model, and those that follow from shapes alone: pools, means and reshapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch.fx import Node

from asm_hw.network.integer_node import window_count

from .tensor_shapes import Seen

Pair = tuple[int, int]
"""Vertical and horizontal."""


class Window(NamedTuple):
    """Windows of a pool; ``ceil_mode``: the last ones may reach beyond the map."""

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil_mode: bool = False


@dataclass(frozen=True)
class Op:
    """A node's operation: ``kind``, the nodes of its tensors, and what the kind needs.

    input, output, value (no tensor); layer, norm, quantize, narrow, gain (detail: the module); clamp (low, high); table
    (`Function`); add (factors of both); affine (`Affine`); concat; append (2 for rows, 3 for columns); mean (`Window`,
    divisor); max (`Window`); move (action, arguments); same; other (detail: what it calls).
    """

    kind: str
    inputs: tuple[Node, ...] = ()
    detail: Any = None


def map_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape that a tensor [n, *shape] of a model has among integers: (channels, length) is a map of one row."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else tuple(shape)


def as_pair(value: Any, dimensions: int = 2, neutral: int = 0) -> Pair:
    """One number or several, as PyTorch takes sizes of maps, as two; of rows the first one is ``neutral``."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    return (int(pair[0]), int(pair[-1])) if dimensions == 2 else (neutral, int(pair[-1]))


def pool_operation(kind: str, node: Node, seen: Seen, dimensions: int, given: Mapping[str, Any]) -> Op | None:
    """A window of [n, c, h, w], or [n, c, l] if ``dimensions`` is 1; ``given``: arguments of the call, by name.

    A mean has one divisor for all its windows: those with padding that does not count have none.
    """
    source = node.all_input_nodes[0]
    if {len(seen[source]), len(seen[node])} != {dimensions + 2}:
        return None
    stride = given.get("stride")
    kernel = as_pair(given["kernel_size"], dimensions, 1)
    window = Window(
        kernel,
        kernel if stride in (None, [], ()) else as_pair(stride, dimensions, 1),
        as_pair(given.get("padding") or 0, dimensions),
    )
    sizes = list(zip(map_shape(seen[source][1:])[1:], *window[:3], strict=True))
    wanted = map_shape(seen[node][1:])[1:]
    partial = tuple(window_count(*size) for size in sizes) != wanted
    if partial and tuple(window_count(*size, ceil_mode=True) for size in sizes) != wanted:
        return None
    window = window._replace(ceil_mode=partial)
    if kind == "max":
        return Op(kind, (source,), window) if as_pair(given.get("dilation") or 1, dimensions, 1) == (1, 1) else None
    divisor = given.get("divisor_override")
    uncounted = not given.get("count_include_pad", True) and window.padding != (0, 0)
    if divisor is None and (partial or uncounted):
        return None
    return Op(kind, (source,), (window, float(divisor or math.prod(kernel))))


def adaptive_pool(kind: str, node: Node, seen: Seen, dimensions: int) -> Op | None:
    """An adaptive pool whose windows are alike, and equally far apart."""
    source = node.all_input_nodes[0]
    if {len(seen[source]), len(seen[node])} != {dimensions + 2}:
        return None
    sizes = zip(*(map_shape(seen[one][1:])[1:] for one in (source, node)), strict=True)
    found = [_alike(adaptive_windows(*size)) for size in sizes]
    if None in found:
        return None
    window = Window(*zip(*found, strict=True))  # type: ignore[arg-type]
    return Op(kind, (source,), window if kind == "max" else (window, float(math.prod(window.kernel))))


def adaptive_windows(size: int, count: int) -> list[range]:
    """Which of ``size`` each of the ``count`` windows of an adaptive pool takes."""
    return [range(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _alike(windows: list[range]) -> tuple[int, int] | None:
    """Kernel and stride of windows of one length, equally far apart; None for others."""
    kernel = len(windows[0])
    stride = windows[1].start if len(windows) > 1 else kernel
    alike = all(window == range(i * stride, i * stride + kernel) for i, window in enumerate(windows))
    return (kernel, stride) if alike and stride else None


def reshape_operation(node: Node, seen: Seen) -> Op | None:
    """Another shape of every image."""
    source = node.all_input_nodes[0]
    if seen[source][0] != seen[node][0]:
        return None
    shape = map_shape(seen[node][1:])
    if shape == map_shape(seen[source][1:]) and seen[source][1] == seen[node][1]:
        return Op("same", (source,))
    return Op("move", (source,), ("reshape", shape))
