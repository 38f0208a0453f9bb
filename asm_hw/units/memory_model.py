"""What a unit with a memory gives for a matrix product: `golden.requantized_product` in its formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from asm_hw import golden

from .memory_config import MemoryConfig


def expected_outputs(
    config: MemoryConfig, w: Sequence | Tensor, x: Sequence | Tensor, channels: Sequence[Mapping[str, int]]
) -> Tensor:
    """Outputs, int64 [vectors, outputs], of weights [outputs][inputs], activations [vectors][inputs] a channel each.

    Weights and activations are values, not codes; a channel has ``scale`` (a level), ``bias`` and ``shift``.
    """
    weights, vectors = (torch.as_tensor(values, dtype=torch.int64) for values in (w, x))
    parts = {name: torch.tensor([channel[name] for channel in channels]) for name in ("scale", "bias", "shift")}
    # Where a sum saturates depends on how it is cut: hardware looks after each beat of ``lanes`` products.
    lanes = config.array_shape[1]
    return golden.requantized_product(weights, vectors, parts, config.accumulator, config.requantize, lanes)
