"""Scales that are known before any sample is seen, as from the quantizers in a file."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.fx import GraphModule

from .quantizer import ActivationQuantizer, Narrowing


class KnownScale(nn.Identity):
    """Says that the tensor that passes was quantized to the range ``low`` to ``high``; computes nothing."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def extra_repr(self) -> str:
        return f"{self.low:g}, {self.high:g}"


@torch.no_grad()
def start_scales(prepared: GraphModule, fixed_input: bool) -> None:
    """Give each quantizer before a `KnownScale` the scale at which its integers reach just that range; in place.

    ``fixed_input``: leave that of the input. A tensor that a layer takes the upper bits of keeps its fitted scale,
    which its shifts belong to.
    """
    for node in prepared.graph.nodes:
        known = prepared.get_submodule(str(node.target)) if node.op == "call_module" else None
        source = node.args[0] if isinstance(known, KnownScale) else None
        quantizer = prepared.get_submodule(str(source.target)) if source is not None and source.op == "call_module" else None
        if not isinstance(quantizer, ActivationQuantizer) or not isinstance(known, KnownScale):
            continue
        if (fixed_input and source.args[0].op == "placeholder") or _narrowed(prepared, str(source.target)):
            continue
        low, high = quantizer.format.range
        scale = max(known.high / high, known.low / low if low else 0.0)
        if 0 < scale < math.inf:
            quantizer.log2_scale.fill_(math.log2(scale))


def _narrowed(prepared: GraphModule, path: str) -> bool:
    """Whether a `Narrowing` reads the scale of the quantizer at ``path``."""
    users = [user for node in prepared.graph.nodes if node.target == f"{path}.log2_scale" for user in node.users]
    return any(isinstance(prepared.get_submodule(str(user.target)), Narrowing) for user in users)
