"""Weights as their packed codes, bit after bit: what a memory of the hardware holds, and files."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.formats.weight_format import WeightFormat


def pack_weights(weight: WeightFormat, levels: Tensor) -> Tensor:
    """The codes of ``levels`` (int64, any shape) in order, lowest bit first: uint8 [bytes]."""
    codes, values = np.array(weight.table, dtype=np.int64).T
    order = values.argsort()
    places = np.searchsorted(values[order], levels.flatten().numpy())
    bits = codes[order][places][:, None] >> np.arange(weight.code_bits) & 1
    return torch.from_numpy(np.packbits(bits.astype(np.uint8), bitorder="little"))


def unpack_weights(weight: WeightFormat, packed: Tensor, shape: Sequence[int]) -> Tensor:
    """The levels, int64 of ``shape``, that `pack_weights` packed.

    Raises `ParameterError` where the bytes are not those of so many weights, or a code is of none.
    """
    sizes = tuple(shape)
    if not all(isinstance(size, int) and 0 < size < 1 << 24 for size in sizes):
        raise ParameterError(f"shape of packed weights must be integers above 0, not {sizes!r}")
    count = math.prod(sizes)
    if packed.dim() != 1 or len(packed) != (count * weight.code_bits + 7) // 8:
        raise ParameterError(
            f"packed weights of shape {sizes} must be {weight.code_bits} bits each, not {len(packed)} bytes"
        )
    bits = np.unpackbits(packed.to(torch.uint8).numpy(), count=count * weight.code_bits, bitorder="little")
    codes = (bits.reshape(count, weight.code_bits).astype(np.int64) << np.arange(weight.code_bits)).sum(1)
    table = np.full(1 << weight.code_bits, np.iinfo(np.int64).min)
    known, values = np.array(weight.table, dtype=np.int64).T
    table[known] = values
    levels = table[codes]
    if count and levels.min() == np.iinfo(np.int64).min:
        raise ParameterError(f"packed weights must hold codes of weights, not {int(codes[levels.argmin()])}")
    return torch.from_numpy(levels.reshape(sizes))
