"""Nodes of ONNX that move numbers: other shapes, slices, pieces side by side, frames of zeros."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F
from torch.fx import Graph, Node

from .module_builder import Builder, Refused, Value


def _axes(builder: Builder, node: ir.Node, index: int, default: list[int] | None) -> list[int] | None:
    """The axes that ``node`` names, as an input or, in older models, an attribute."""
    given = builder.constant(node, index)
    if given is not None:
        return [int(axis) for axis in given.ravel()]
    own = node.attributes.get("axes")
    return default if own is None else [int(axis) for axis in own.as_ints()]


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Refused(f"axis {axis} must be one of {rank}")
    return axis % rank


def _reshaped(builder: Builder, value: Value, sizes: list[int]) -> Value:
    """``value`` of other ``sizes`` [n, ...] in the file's order."""
    if not sizes or sizes[0] != value.shape[0]:
        raise Refused(f"it must keep the first size, {value.shape[0]}, which is that of the batch, and gives {sizes}")
    if math.prod(sizes) != math.prod(value.shape) or min(sizes) < 1:
        raise Refused(f"sizes {list(value.file_shape)} must become as many values, not {sizes}")
    if tuple(sizes) == value.file_shape:
        return value
    if len(sizes) != 2 or value.columns is not None:
        plain = builder.plain(value)
        found = builder.call(torch.reshape, plain, (-1, *sizes[1:]))
    else:
        places = np.arange(sizes[1]).reshape(value.shape[1:])
        places = places.transpose([place - 1 for place in value.order[1:]]).reshape(-1)
        same = np.array_equal(places, np.arange(sizes[1]))
        found = replace(builder.call(torch.flatten, value, 1), columns=None if same else places)
    return replace(found, order=tuple(range(len(sizes))), positive=value.positive)


def reshape(builder: Builder, node: ir.Node) -> Value:
    value, wanted = builder.value(node), [int(size) for size in builder.constant(node, 1).ravel()]
    own = value.file_shape
    if not node.attributes.get_int("allowzero", 0):
        wanted = [own[i] if size == 0 and i < len(own) else size for i, size in enumerate(wanted)]
    if wanted.count(-1) > 1 or min(wanted, default=-1) < -1:
        raise Refused(f"its shape must have at most one -1, not {wanted}")
    known = math.prod(size for size in wanted if size != -1)
    return _reshaped(builder, value, [math.prod(own) // max(1, known) if size == -1 else size for size in wanted])


def flatten(builder: Builder, node: ir.Node) -> Value:
    value, own = builder.value(node), builder.value(node).file_shape
    axis = node.attributes.get_int("axis", 1)
    axis = axis if axis == len(own) else _axis(axis, len(own))
    return _reshaped(builder, value, [math.prod(own[:axis]), math.prod(own[axis:])])


def squeeze(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node)
    rank, own = len(value.shape), value.file_shape
    given = _axes(builder, node, 1, None)
    axes = {i for i in range(rank) if own[i] == 1} if given is None else {_axis(axis, rank) for axis in given}
    return _reshaped(builder, value, [size for i, size in enumerate(own) if i not in axes])


def unsqueeze(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node)
    given = _axes(builder, node, 1, None) or []
    rank = len(value.shape) + len(given)
    axes, own = {_axis(axis, rank) for axis in given}, iter(value.file_shape)
    return _reshaped(builder, value, [1 if i in axes else next(own) for i in range(rank)])


def transpose(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node)
    rank = len(value.shape)
    given = node.attributes.get("perm")
    order = list(reversed(range(rank))) if given is None else [int(axis) for axis in given.as_ints()]
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise Refused(f"it must leave the first size, that of the batch, where it is, and perm is {order}")
    if value.columns is not None:
        raise Refused("it reads features that were flattened in another order than images have here")
    return replace(value, order=tuple(value.order[place] for place in order))


def concat(builder: Builder, node: ir.Node) -> Value:
    parts = [builder.value(node, index) for index in range(len(node.inputs))]
    if len({part.order for part in parts}) > 1 or any(part.columns is not None for part in parts):
        parts = [builder.plain(part) for part in parts]
    axis = _axis(node.attributes.get_int("axis", 1), len(parts[0].shape))
    place = parts[0].order[axis]
    if place == 0:
        raise Refused("axis must not be 0: it is that of the batch")
    rest = {part.shape[:place] + part.shape[place + 1 :] for part in parts}
    if len(rest) != 1:
        raise Refused("its inputs must be alike but for the axis")
    made = builder.graph.call_function(torch.cat, ([part.node for part in parts], place))
    shape = list(parts[0].shape)
    shape[place] = sum(part.shape[place] for part in parts)
    return replace(parts[0], node=made, shape=tuple(shape), positive=all(part.positive for part in parts))


def _taken(builder: Builder, value: Value, steps: dict[int, slice]) -> Value:
    """``value`` with ``steps`` along sizes of the file."""
    if value.columns is not None:
        raise Refused("it reads features that were flattened in another order than images have here")
    own = value.file_shape
    steps = {axis: step for axis, step in steps.items() if range(own[axis])[step] != range(own[axis])}
    if not steps:
        return value
    if 0 in steps:
        raise Refused("it must keep the whole batch")
    by_place = {value.order[axis]: step for axis, step in steps.items()}
    index = _index(by_place)
    return replace(builder.call(operator.getitem, value, index), order=value.order, positive=value.positive)


def _index(steps: dict[int, slice]) -> tuple[slice, ...]:
    return tuple(steps.get(place, slice(None)) for place in range(max(steps) + 1))


def merge_slices(graph: Graph) -> None:
    """One slice in the place of two along different sizes, where nothing else reads the first; in place."""
    for node in list(graph.nodes):
        before = node.args[0] if node.target is operator.getitem else None
        if not isinstance(before, Node) or before.target is not operator.getitem or len(before.users) > 1:
            continue
        first, second = (
            {place: step for place, step in enumerate(one.args[1]) if step != slice(None)}  # type: ignore[arg-type]
            for one in (before, node)
        )
        if not first.keys() & second.keys():
            node.args = (before.args[0], _index(first | second))
            graph.erase_node(before)


def cut(builder: Builder, node: ir.Node) -> Value:
    """A Slice."""
    value = builder.value(node)
    given = [builder.constant(node, index) for index in range(1, 5)]
    names = ("starts", "ends", "axes")
    own = [node.attributes.get(name) for name in names]
    lists = [None if one is None else [int(n) for n in one.ravel()] for one in given]
    for i, attribute in enumerate(own):  # of models before opset 10
        lists[i] = list(attribute.as_ints()) if lists[i] is None and attribute is not None else lists[i]
    starts, ends, axes, strides = lists
    if starts is None or ends is None:
        raise Refused("starts and ends must be constants")
    axes = list(range(len(starts))) if axes is None else axes
    strides = [1] * len(starts) if strides is None else strides
    if min(strides, default=1) < 1:
        raise Refused(f"steps must be at least 1, not {strides}")
    sizes, steps = value.file_shape, {}
    for start, end, axis, stride in zip(starts, ends, axes, strides, strict=True):
        place = _axis(axis, len(sizes))
        steps[place] = slice(*slice(start, end, stride).indices(sizes[place]))
    return _taken(builder, value, steps)


def split(builder: Builder, node: ir.Node) -> None:
    value = builder.value(node)
    axis = _axis(node.attributes.get_int("axis", 0), len(value.shape))
    size, pieces = value.file_shape[axis], len(node.outputs)
    given, own = builder.constant(node, 1), node.attributes.get("split")
    share = -(-size // pieces)
    sizes = [share] * (pieces - 1) + [size - share * (pieces - 1)]
    sizes = sizes if given is None else [int(n) for n in given.ravel()]
    sizes = [int(n) for n in own.as_ints()] if own is not None else sizes
    if len(sizes) != pieces or sum(sizes) != size or min(sizes) < 1:
        raise Refused(f"its {pieces} pieces must be of at least 1 and come to {size}, not {sizes}")
    start = 0
    for index, length in enumerate(sizes):
        builder.put(node, _taken(builder, value, {axis: slice(start, start + length)}), index)
        start += length


def pad(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node)
    rank = len(value.shape)
    given, own = builder.constant(node, 1), node.attributes.get("pads")
    pads = [int(n) for n in (own.as_ints() if given is None and own is not None else given.ravel())]
    fill = builder.constant(node, 2)
    fill = 0.0 if fill is None or not fill.size else float(fill.ravel()[0])
    axes = _axes(builder, node, 3, None) or list(range(rank))
    mode = node.attributes.get_string("mode", "constant")
    if mode != "constant" or fill or min(pads, default=0) < 0 or len(pads) != 2 * len(axes):
        raise Refused(
            f"it must add zeros, not {'negative numbers of' if mode == 'constant' and not fill else mode} ones"
        )
    sides = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        sides[value.order[_axis(axis, rank)]] = (pads[i], pads[len(axes) + i])
    if sides[0] != (0, 0) or value.columns is not None:
        raise Refused("it must add nothing to the batch, and features must be flattened as images have them here")
    if not any(side for pair in sides for side in pair):
        return value
    while sides[0] == (0, 0):
        sides.pop(0)
    flat = tuple(side for pair in reversed(sides) for side in pair)
    return replace(builder.call(F.pad, value, flat), order=value.order, positive=value.positive)


SHAPE_NODES: dict[str, Callable[[Builder, ir.Node], Value | None]] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Concat": concat,
    "Slice": cut,
    "Split": split,
    "Pad": pad,
}
