"""Runs the layers of an integer network on an emitted array and compares every sum with golden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import DotConfig
from ..errors import ParameterError
from .graph import IntegerNetwork
from .layers import IntegerConv2d, IntegerLayer
from .schedule import Beats, schedule

Play = Callable[[Beats], tuple[np.ndarray, int]]
"""Streams beats through the array: (sums [sums, columns], clock cycles)."""


@dataclass(frozen=True)
class LayerRun:
    """What one layer did on the array: multiply-accumulates, cycles, sums compared and sums that differ."""

    name: str
    macs: int
    cycles: int
    weights_held: bool
    outputs: int
    mismatches: int


def run_network(
    network: IntegerNetwork, config: DotConfig, play: Play, x: Tensor, done: Callable[[LayerRun], None] | None = None
) -> tuple[Tensor, list[LayerRun]]:
    """The network's outputs with every matrix product done by the array, and what each layer did.

    Each layer takes what the array gave for the layer before; its accumulators are compared with the
    golden model's, whose own chain starts from the same ``x`` [n, ...]. Requantization is golden's.
    """
    golden, runs = x, []
    for layer in network.layers:
        beats = schedule(config, layer.weight.flatten(1).numpy(), vectors_of(layer, x).numpy())
        sums, cycles = play(beats)
        expected = layer.accumulate(golden)
        got = _maps(torch.from_numpy(beats.gather(sums)), expected)
        macs = expected.numel() * layer.terms
        runs.append(LayerRun(layer.name, macs, cycles, beats.held, expected.numel(), int((got != expected).sum())))
        if done:
            done(runs[-1])
        x, golden = layer.finish(got), layer.finish(expected)
    return x, runs


def vectors_of(layer: IntegerLayer, x: Tensor) -> Tensor:
    """The activation vectors [vectors, inputs] of a layer: rows of a matrix, or patches of the images."""
    if not isinstance(layer, IntegerConv2d):
        return x.flatten(1)
    if layer.groups != 1:
        raise ParameterError(f"layer {layer.name!r} must have 1 group to run on a dot array, not {layer.groups}")
    kernel = tuple(layer.weight.shape[2:])
    # Small integers: float64 moves them exactly.
    patches = F.unfold(x.to(torch.float64), kernel, padding=layer.padding, stride=layer.stride)
    return patches.transpose(1, 2).flatten(0, 1).to(torch.int64)


def _maps(rows: Tensor, like: Tensor) -> Tensor:
    """Accumulators [vectors, outputs] in the layout of ``like``: [n, outputs] or [n, outputs, h, w]."""
    if like.dim() == 2:
        return rows
    n, outputs, height, width = like.shape
    return rows.view(n, height, width, outputs).permute(0, 3, 1, 2)
