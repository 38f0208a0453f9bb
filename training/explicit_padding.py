"""Zeros around the input of a convolution: in the layer where both sides get as many, else padded before it."""

from __future__ import annotations

import torch.nn.functional as F
from torch.fx import GraphModule, Node

from .conv_padding import conv_padding
from .prepared_layers import Conv
from .tensor_shapes import Seen
from .traced_operations import classify


def explicit_padding(model: GraphModule, seen: Seen) -> bool:
    """Leave only convolutions of the traced ``model`` that pad alike on both sides; whether anything changed.

    Their own zeros and those of a pad that they alone read come together.
    """
    changed = False
    for path, calls in _calls(model).items():
        layer = model.get_submodule(path)
        assert isinstance(layer, Conv)
        own = conv_padding(layer)
        pads = [_pad_before(node, model, seen) for node in calls]
        given = pads[0][1] if len(calls) == 1 else (0, 0, 0, 0)
        left, right, top, bottom = (a + b for a, b in zip(own, given, strict=True))
        if (left, top) == (right, bottom):
            if any(given):
                calls[0].replace_input_with(pads[0][0], pads[0][0].all_input_nodes[0])
                changed = True
            _set_padding(layer, (top, left))
        elif own[::2] != own[1::2]:
            for node in calls:
                _insert_pad(node, own[: 2 * len(layer.kernel_size)])
            _set_padding(layer, (0, 0))
            changed = True
    if changed:
        model.graph.eliminate_dead_code()
        model.recompile()
    return changed


def _calls(model: GraphModule) -> dict[str, list[Node]]:
    """The calls of each convolution that pads with zeros, or not at all."""
    found: dict[str, list[Node]] = {}
    for node in model.graph.nodes:
        layer = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, Conv):
            if not any(conv_padding(layer)):
                layer.padding_mode = "zeros"
            if layer.padding_mode == "zeros":
                found.setdefault(str(node.target), []).append(node)
    return found


def _pad_before(node: Node, model: GraphModule, seen: Seen) -> tuple[Node, tuple[int, ...]]:
    """What a call reads, and the zeros around the map that it puts there for this call alone."""
    source = node.all_input_nodes[0]
    op = classify(source, model, seen)
    if op.kind != "move" or op.detail[0] != "pad" or len(source.users) > 1 or any(op.detail[1][4:]):
        return source, (0, 0, 0, 0)
    return source, op.detail[1][:4]


def _insert_pad(node: Node, pad: tuple[int, ...]) -> None:
    source = node.all_input_nodes[0]
    with node.graph.inserting_before(node):
        padded = node.graph.call_function(F.pad, (source, pad))
    padded.meta = dict(node.meta)
    node.replace_input_with(source, padded)


def _set_padding(layer: Conv, padding: tuple[int, int]) -> None:
    """Rows and columns on each side."""
    own = padding[-len(layer.kernel_size) :]
    layer.padding = own
    layer._reversed_padding_repeated_twice = [side for one in reversed(own) for side in (one, one)]
