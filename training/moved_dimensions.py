"""Moves of a traced model: dimensions in another order, and zeros around a map."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import map_arg

from .shape_operations import Op
from .tensor_shapes import Seen


def permutation(node: Node, seen: Seen) -> Op | None:
    """The dimensions of every image in another order, whatever function or method says so."""
    source = node.all_input_nodes[0]
    marked = torch.empty(tuple(range(len(seen[source]))), device="meta")  # each dimension has its number as size

    def value(argument: Node) -> Any:
        return marked if argument is source else seen[argument]

    args, kwargs = map_arg(node.args, value), map_arg(node.kwargs, value)
    call = getattr(torch.Tensor, node.target) if isinstance(node.target, str) else node.target
    order = [*call(*args, **kwargs).shape]
    if order[0] != 0:
        return None
    if order == sorted(order):
        return Op("same", (source,))
    # Of [n, c, l], among integers (c, 1, l), the last two change places.
    return Op("move", (source,), ("permute", (2, 1, 0) if len(order) == 3 else tuple(i - 1 for i in order[1:])))


def pad_operation(node: Node, seen: Seen, pad: tuple[int, ...]) -> Op | None:
    """Zeros as `torch.nn.functional.pad` puts them around the last dimensions of [n, c, h, w] or [n, c, l]."""
    source, dimensions = node.all_input_nodes[0], len(seen[node]) - 1
    pad = pad + (0,) * (2 * dimensions - len(pad))
    if dimensions not in (2, 3) or min(pad) < 0 or any(pad[2 * dimensions :]):
        return None
    if not any(pad):
        return Op("same", (source,))
    return Op("move", (source,), ("pad", pad if dimensions == 3 else (*pad[:2], 0, 0, *pad[2:])))
