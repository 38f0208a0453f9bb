"""An operation of a traced model, and those that follow from shapes alone: pools, means and reshapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.fx import Node

from .tensor_shapes import Seen

Pair = tuple[int, int]
"""Vertical and horizontal."""

Window = tuple[Pair, Pair, Pair]
"""Kernel, stride and padding."""


@dataclass(frozen=True)
class Op:
    """A node's operation: ``kind``, the nodes of its tensors, and what the kind needs.

    input, output, value (no tensor); layer, norm, quantize, narrow, gain (detail: the module); clamp (low, high); table
    (`Function`); add
    (factors of both); affine (`Affine`); concat; mean and max (kernel, stride, padding as pairs); move (action,
    arguments); same; other (detail: what it calls).
    """

    kind: str
    inputs: tuple[Node, ...] = ()
    detail: Any = None


def as_pair(value: Any) -> Pair:
    """One number or two, as PyTorch takes sizes, as two."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    return (int(pair[0]), int(pair[-1]))


def pool_operation(kind: str, node: Node, seen: Seen, kernel: Any, stride: Any, padding: Any) -> Op | None:
    """A window of [n, c, h, w]; with ``ceil_mode`` only where it changes nothing."""
    source = node.all_input_nodes[0]
    kernel = as_pair(kernel)
    window = (kernel, as_pair(stride) if stride not in (None, [], ()) else kernel, as_pair(padding or 0))
    sizes = zip(seen[source][2:], *window, strict=True)
    expected = tuple((size + 2 * p - k) // s + 1 for size, k, s, p in sizes)
    return Op(kind, (source,), window) if len(seen[node]) == 4 and tuple(seen[node][2:]) == expected else None


def adaptive_pool(kind: str, node: Node, seen: Seen) -> Op | None:
    """An adaptive pool whose windows are all alike."""
    source = node.all_input_nodes[0]
    if len(seen[source]) != 4 or any(i % o for i, o in zip(seen[source][2:], seen[node][2:], strict=True)):
        return None
    height, width = (i // o for i, o in zip(seen[source][2:], seen[node][2:], strict=True))
    return Op(kind, (source,), ((height, width), (height, width), (0, 0)))


def reshape_operation(node: Node, seen: Seen) -> Op | None:
    """Another shape of every image."""
    source = node.all_input_nodes[0]
    if seen[source][0] != seen[node][0]:
        return None
    return Op("move", (source,), ("reshape", tuple(seen[node][1:])))
