"""Moves that follow one another as one, and those before a matrix product in its weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations

import torch
from torch import Tensor

from .integer_layers import IntegerLinear
from .integer_moves import IntegerMove
from .integer_network import IntegerNetwork
from .integer_node import IntegerNode

Shape = tuple[int, ...]
MERGED = ("reshape", "permute", "select")
"""Moves that take every integer somewhere, or choose channels."""


def merged_moves(network: IntegerNetwork) -> IntegerNetwork:
    """``network`` with as few moves as these rules give: the same function, and the same result by the same name."""
    while (fewer := _merged_once(network)) is not None:
        network = fewer
    return network


def _merged_once(network: IntegerNetwork) -> IntegerNetwork | None:
    """One chain of moves as one, the longest first; None where no chain can be."""
    nodes = [replace(node, sources=sources) for node, sources in zip(network.layers, network.sources, strict=True)]
    for chain in sorted(_chains(nodes), key=len, reverse=True):
        last = chain[-1]
        shape = network.shapes[chain[0].sources[0]]
        moves = chain if isinstance(last, IntegerMove) else chain[:-1]
        index = _index(moves, shape)
        node = _in_weights(last, index) if isinstance(last, IntegerLinear) else _one_move(last.name, shape, index)
        if node is not None:
            left_out = {one.name for one in chain[:-1]}
            whole = replace(node, sources=chain[0].sources)
            kept = [whole if one is last else one for one in nodes if one.name not in left_out]
            return replace(network, layers=tuple(kept))
    return None


def _chains(nodes: Sequence[IntegerNode]) -> Iterator[list[IntegerNode]]:
    """Moves that each are read by the next one alone; a matrix product may be the last."""
    readers = Counter(source for node in nodes for source in node.sources)
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if not _moves(node) and not isinstance(node, IntegerLinear):
            continue
        chain = [node]
        while (before := by_name.get(chain[0].sources[0])) and _moves(before) and readers[before.name] == 1:
            chain.insert(0, before)
            yield list(chain)


def _moves(node: IntegerNode) -> bool:
    return isinstance(node, IntegerMove) and node.action in MERGED


def _index(moves: Sequence[IntegerNode], shape: Shape) -> Tensor:
    """Where each integer of the result was in a tensor of ``shape``, int64 in the result's shape."""
    index = torch.arange(math.prod(shape)).view(1, *shape)
    for move in moves:
        index = move.forward(index)
    return index[0]


def _in_weights(layer: IntegerLinear, index: Tensor) -> IntegerLinear | None:
    """The layer on what its moves take; None where they leave something out or take it twice."""
    places = index.flatten()
    if len(places.unique()) != len(places) or int(places.max()) >= len(places):
        return None
    weight = torch.empty_like(layer.weight)
    weight[:, places] = layer.weight
    return replace(layer, weight=weight)


def _one_move(name: str, shape: Shape, index: Tensor) -> IntegerMove | None:
    """The one move that ``index`` is; None where there is none."""
    whole, wanted = torch.arange(math.prod(shape)).view(shape), tuple(index.shape)
    if whole.numel() == index.numel() and torch.equal(whole.flatten(), index.flatten()):
        return IntegerMove(name=name, action="reshape", arguments=wanted)
    if wanted[1:] == shape[1:]:
        channels = index.flatten(1)[:, 0] // math.prod(shape[1:])
        if torch.equal(whole[channels], index):
            return IntegerMove(name=name, action="select", arguments=tuple(channels.tolist()))
    if sorted(wanted) == sorted(shape) and len(shape) <= 3:
        for order in permutations(range(len(shape))):
            if torch.equal(whole.permute(order), index):
                return IntegerMove(name=name, action="permute", arguments=order)
    return None
