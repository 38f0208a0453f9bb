"""What a near-memory array and its von Neumann counterparts give for a matrix product; when: ``config.cycles``."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from asm_hw.units.memory_config import MemoryConfig

from .exact_linear import matvec
from .integer_arithmetic import dot, fit, requantize


def near_memory(config: MemoryConfig, w: Tensor, x: Tensor, channels: dict[str, Tensor]) -> Tensor:
    """Outputs, int64 [vectors, outputs], of weights [outputs, inputs] and activations [vectors, inputs].

    ``channels``: scale, bias and shift, each [outputs]. The overflow rule applies once a tile of
    ``config.lanes`` inputs; a unit without lanes adds one product at a time.
    """
    lanes = getattr(config, "lanes", 1)
    if config.overflow == "wrap":
        acc = fit(matvec(w, x), config.accumulator.bits)
    else:
        pad = (0, -w.shape[1] % lanes)
        tiles_w = F.pad(w, pad).unflatten(1, (-1, lanes)).transpose(0, 1)  # [tiles, outputs, lanes]
        tiles_x = F.pad(x, pad).unflatten(1, (-1, lanes))  # [vectors, tiles, lanes]
        acc = dot(tiles_w, tiles_x, config.accumulator.bits, config.overflow)
    return requantize(acc, channels["scale"], channels["bias"], channels["shift"], *config.requantize.out_range)
