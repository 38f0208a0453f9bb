"""A matrix product that is accumulated in tiles and requantized: what units with a memory give."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from asm_hw.formats.accumulator_format import AccumulatorFormat
from asm_hw.formats.requantize_format import RequantizeFormat

from .exact_linear import matvec
from .integer_arithmetic import dot, fit, requantize


def requantized_product(
    w: Tensor,
    x: Tensor,
    channels: Mapping[str, Tensor],
    accumulator: AccumulatorFormat,
    output: RequantizeFormat,
    lanes: int = 1,
) -> Tensor:
    """Outputs, int64 [vectors, outputs], of weights [outputs, inputs] and activations [vectors, inputs].

    ``channels``: scale, bias and shift, each [outputs]. The overflow rule applies once a tile of ``lanes`` inputs; when
    the outputs come is what ``cycles`` of the unit's configuration says.
    """
    if accumulator.overflow == "wrap":  # wrapping at the end equals wrapping at each step
        acc = fit(matvec(w, x), accumulator.bits)
    else:
        pad = (0, -w.shape[1] % lanes)
        tiles_w = F.pad(w, pad).unflatten(1, (-1, lanes)).transpose(0, 1)  # [tiles, outputs, lanes]
        tiles_x = F.pad(x, pad).unflatten(1, (-1, lanes))  # [vectors, tiles, lanes]
        acc = dot(tiles_w, tiles_x, accumulator.bits, accumulator.overflow)
    return requantize(acc, channels["scale"], channels["bias"], channels["shift"], *output.out_range)
