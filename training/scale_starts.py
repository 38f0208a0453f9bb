"""Scales that are known before any sample is seen, as from the quantizers in a file."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.fx import GraphModule, Node

from asm_hw.formats.activation_format import ActivationFormat

from .quantizer import ActivationQuantizer

KNOWN = "known_range"
"""Where a traced graph's node says the range that `KnownScale` gave for it."""


class KnownScale(nn.Identity):
    """Says that the tensor that passes was quantized to the range ``low`` to ``high``; computes nothing."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def extra_repr(self) -> str:
        return f"{self.low:g}, {self.high:g}"


def note_known_scales(traced: GraphModule) -> None:
    """Take each `KnownScale` out of a graph; in place. The node before it says the range instead."""
    for node in list(traced.graph.nodes):
        known = traced.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(known, KnownScale):
            source = node.all_input_nodes[0]
            source.meta[KNOWN] = (known.low, known.high)
            node.replace_all_uses_with(source)
            traced.graph.erase_node(node)
            traced.delete_submodule(str(node.target))


def reaching_scale(low: float, high: float, stored: ActivationFormat) -> float:
    """The scale at which integers of ``stored`` just reach from ``low`` to ``high``."""
    smallest, largest = stored.range
    return max(high / largest, low / smallest if smallest else 0.0)


def known_scale(node: Node, stored: ActivationFormat) -> float | None:
    """The scale at which integers of ``stored`` reach just the range known of ``node``; None where none is known."""
    low, high = node.meta.get(KNOWN, (0.0, 0.0))
    scale = reaching_scale(low, high, stored)
    return scale if 0 < scale < math.inf else None


@torch.no_grad()
def start_scale(quantizer: ActivationQuantizer, node: Node) -> None:
    """Give ``quantizer``, which stores ``node``, the scale that is known of it, if one is."""
    scale = known_scale(node, quantizer.format)
    if scale is not None:
        quantizer.log2_scale.fill_(math.log2(scale))
