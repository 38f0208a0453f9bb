"""Shuffles of channels and pixels made what they are: other dimensions, in another order, put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.fx import GraphModule, Node

from .tensor_shapes import Seen
from .traced_calls import arguments_of, call_name

Calls = list[tuple[Any, ...]]
"""Methods of a tensor and their arguments, one after another."""

SHUFFLES: dict[str, tuple[str, Callable[[int], Calls]]] = {
    "channel_shuffle": ("groups", lambda n: [("unflatten", 1, (n, -1)), ("transpose", 1, 2), ("flatten", 1, 2)]),
    "pixel_shuffle": (
        "upscale_factor",
        lambda n: [("unflatten", 1, (-1, n, n)), ("permute", 0, 1, 4, 2, 5, 3), ("flatten", 4, 5), ("flatten", 2, 3)],
    ),
    "pixel_unshuffle": (
        "downscale_factor",
        lambda n: [
            ("unflatten", 3, (-1, n)),
            ("unflatten", 2, (-1, n)),
            ("permute", 0, 1, 3, 5, 2, 4),
            ("flatten", 1, 3),
        ],
    ),
}
"""By the name of a function: its argument beside the tensor, and the calls that do the same."""
MODULES = {
    nn.ChannelShuffle: "channel_shuffle",
    nn.PixelShuffle: "pixel_shuffle",
    nn.PixelUnshuffle: "pixel_unshuffle",
}


def plain_shuffles(model: GraphModule, seen: Seen) -> bool:
    """Rewrite every shuffle of maps [n, c, h, w] in the traced ``model``; whether there was any."""
    found = [(node, calls) for node in model.graph.nodes if (calls := _calls(node, model, seen))]
    for node, calls in found:
        result = node.all_input_nodes[0]
        with model.graph.inserting_before(node):
            for name, *arguments in calls:
                result = model.graph.call_method(name, (result, *arguments))
                result.meta = dict(node.meta)
        node.replace_all_uses_with(result)
        model.graph.erase_node(node)
    return bool(found)


def _calls(node: Node, model: GraphModule, seen: Seen) -> Calls:
    """What does the same as ``node``; nothing if that shuffles no maps."""
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        name = MODULES.get(type(module), "")
    else:
        name = call_name(node) if node.op in ("call_function", "call_method") else ""
    if name not in SHUFFLES or len(seen[node.all_input_nodes[0]]) != 4:
        return []
    argument, calls = SHUFFLES[name]
    if node.op == "call_module":
        return calls(int(getattr(module, argument)))
    return calls(int(arguments_of(node, seen, ("input", argument))[argument]))
