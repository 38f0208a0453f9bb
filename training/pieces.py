"""Pieces of a tensor, as chunk and split give them, made slices of it."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any

from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from .tensor_shapes import Seen
from .traced_calls import arguments_of, call_name

CALLS = {"chunk": "chunks", "split": "split_size", "tensor_split": "indices_or_sections"}
"""Functions and methods that cut a tensor, and what their second argument is called."""


def slices_for_pieces(model: GraphModule, seen: Seen) -> bool:
    """Take slices where one of `CALLS` cuts a tensor; whether there was any."""
    cut = [node for node in model.graph.nodes if _cuts(node, seen)]
    for node in cut:
        pieces = _slices(node, seen)
        for user in list(node.users):
            if user.target is operator.getitem:
                user.replace_all_uses_with(pieces[user.args[1]])
                model.graph.erase_node(user)
            else:
                user.args = map_arg(user.args, partial(_or_pieces, node, tuple(pieces)))
        model.graph.erase_node(node)
    return bool(cut)


def _or_pieces(node: Node, pieces: tuple[Node, ...], argument: Node) -> Any:
    return pieces if argument is node else argument


def _cuts(node: Node, seen: Seen) -> bool:
    """Whether a node cuts every image."""
    called = node.op in ("call_function", "call_method") and call_name(node) in CALLS
    return called and all(isinstance(one, Tensor) for one in seen[node]) and _dimension(node, seen) != 0


def _dimension(node: Node, seen: Seen) -> int:
    given: dict[str, Any] = arguments_of(node, seen, ("input", CALLS[call_name(node)], "dim"))
    return int(given.get("dim", 0)) % len(seen[node.all_input_nodes[0]])


def _slices(node: Node, seen: Seen) -> list[Node]:
    """A slice for each piece."""
    dimension, start, found = _dimension(node, seen), 0, []
    for piece in seen[node]:
        end = start + piece.shape[dimension]
        index = (*(slice(None) for _ in range(dimension)), slice(start, end))
        with node.graph.inserting_before(node):
            found.append(node.graph.call_function(operator.getitem, (node.all_input_nodes[0], index)))
        found[-1].meta = dict(node.meta)
        start = end
    return found
