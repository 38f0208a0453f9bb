"""Pools whose windows differ, as at the edges, made pools of parts of the map that are put together again."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.fx import GraphModule, Node

from .shape_operations import adaptive_windows, as_pair, map_shape
from .tensor_shapes import FixedSize, Seen
from .traced_calls import AVG_POOL, arguments_of, call_name
from .traced_operations import ADAPTIVE_POOLS, POOLS, classify, place_of

MAX_RUNS = 8
"""Most parts of the rows, or of the columns."""


@dataclass(frozen=True)
class _Pool:
    """A call that takes windows of [n, c, *] of so many ``dimensions``; ``given``: its arguments by name."""

    kind: str
    dimensions: int
    adaptive: bool
    given: Mapping[str, Any]


@dataclass(frozen=True)
class _Window:
    """Rows or columns of a window, and by how many its mean is divided."""

    taken: range
    divisor: int


def parts_of_pools(model: GraphModule, seen: Seen) -> bool:
    """Rewrite the pools of the traced ``model`` whose windows differ, for the size they have; whether there was any."""
    found = []
    for node in model.graph.nodes:
        pool = _pool(node, model, seen)
        if pool is not None and classify(node, model, seen).kind == "other":
            runs = [_runs(side) for side in _windows(node, pool, seen)]
            if max(map(len, runs)) <= MAX_RUNS:
                found.append((node, pool.kind, tuple(seen[node.all_input_nodes[0]][2:]), runs))
    for one in found:
        _rewrite(model, *one)
    return bool(found)


def _pool(node: Node, model: GraphModule, seen: Seen) -> _Pool | None:
    """The pool that a node calls: a mean, or an adaptive one."""
    pool = None
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        for table, adaptive in ((POOLS, False), (ADAPTIVE_POOLS, True)):
            for of, (kind, dimensions) in table.items():
                if isinstance(module, of):
                    pool = _Pool(kind, dimensions, adaptive, vars(module))
    elif node.op == "call_function":
        name = call_name(node).removeprefix("_")
        for dimensions in (1, 2):
            for kind, called in (("mean", "avg"), ("max", "max")):
                for adaptive in (False, True):
                    if name == f"{'adaptive_' if adaptive else ''}{called}_pool{dimensions}d":
                        pool = _Pool(kind, dimensions, adaptive, arguments_of(node, seen, AVG_POOL))
    if pool is None or not (pool.adaptive or pool.kind == "mean") or not isinstance(seen[node], torch.Size):
        return None
    return pool if {len(seen[node]), len(seen[node.all_input_nodes[0]])} == {pool.dimensions + 2} else None


def _windows(node: Node, pool: _Pool, seen: Seen) -> list[list[_Window]]:
    """The windows of rows and of columns."""
    pairs = zip(*(map_shape(seen[one][1:])[1:] for one in (node.all_input_nodes[0], node)), strict=True)
    if pool.adaptive:
        return [[_Window(taken, len(taken)) for taken in adaptive_windows(*pair)] for pair in pairs]
    given, dimensions = pool.given, pool.dimensions
    kernel = as_pair(given["kernel_size"], dimensions, 1)
    stride = kernel if given.get("stride") in (None, [], ()) else as_pair(given["stride"], dimensions, 1)
    padding = as_pair(given.get("padding") or 0, dimensions)
    counted = given.get("count_include_pad", True)
    return [
        [_window(i * s - p, size, k, p if counted else 0) for i in range(count)]
        for (size, count), k, s, p in zip(pairs, kernel, stride, padding, strict=True)
    ]


def _window(start: int, size: int, kernel: int, counted: int) -> _Window:
    """The window of ``kernel`` from ``start``, of whose places those on the map and on ``counted`` around it count."""
    end = start + kernel
    places = range(max(start, -counted), min(end, size + counted))
    return _Window(range(max(start, 0), min(end, size)), len(places))


def _runs(windows: list[_Window]) -> list[list[_Window]]:
    """Windows that follow one another, of one length and divisor, equally far apart."""
    runs: list[list[_Window]] = []
    for window in windows:
        last = runs[-1] if runs else []
        alike = bool(last) and (len(window.taken), window.divisor) == (len(last[0].taken), last[0].divisor)
        step = window.taken.start - last[-1].taken.start if alike else 0
        if step > 0 and (len(last) == 1 or step == last[1].taken.start - last[0].taken.start):
            last.append(window)
        else:
            runs.append([window])
    return runs


def _rewrite(model: GraphModule, node: Node, kind: str, size: tuple[int, ...], runs: list[list[list[_Window]]]) -> None:
    """Pools of parts beside one another, and those below one another, of maps or rows of ``size``."""
    graph, source, row = model.graph, node.all_input_nodes[0], len(size) == 1
    name = f"asm_size_{node.name}"
    model.add_submodule(name, FixedSize(size, place_of(node)).train(model.training))

    def call(target: Any, *args: Any) -> Node:
        with graph.inserting_before(node):
            made = graph.create_node("call_module" if target == name else "call_function", target, args)
        made.meta = dict(node.meta)
        return made

    whole = call(name, source)
    whole = call(torch.unsqueeze, whole, 2) if row else whole
    below = []
    for rows in runs[0]:
        beside = [_part(call, kind, whole, rows, columns) for columns in runs[1]]
        below.append(beside[0] if len(beside) == 1 else call(torch.cat, tuple(beside), 3))
    result = below[0] if len(below) == 1 else call(torch.cat, tuple(below), 2)
    node.replace_all_uses_with(call(torch.squeeze, result, 2) if row else result)
    graph.erase_node(node)


def _part(call: Callable[..., Node], kind: str, source: Node, *sides: list[_Window]) -> Node:
    """The pool over the windows of ``sides`` alone."""
    kernel = tuple(len(run[0].taken) for run in sides)
    stride = tuple(run[1].taken.start - run[0].taken.start if len(run) > 1 else 1 for run in sides)
    places = (slice(run[0].taken.start, run[-1].taken.stop) for run in sides)
    part = call(operator.getitem, source, (slice(None), slice(None), *places))
    if kind == "max":
        return call(F.max_pool2d, part, kernel, stride)
    divisor = sides[0][0].divisor * sides[1][0].divisor
    return call(F.avg_pool2d, part, kernel, stride, 0, False, True, divisor)
