"""Nodes of an integer network as matrix products of a bitline array, and their sums put together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_layers import IntegerLayer
from asm_hw.network.integer_pools import IntegerSumPool
from asm_hw.network.rtl_layers import products_of
from asm_hw.numbers.integers import ceil_div, signed_bits
from asm_hw.units.bitline.bitline_config import BitlineConfig

OnArray = IntegerLayer | IntegerSumPool
"""Nodes whose sums an array forms."""
Matmul = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, int]]
"""Sums [vectors, outputs] of weights [outputs, inputs] and vectors [vectors, inputs], and the cycles they took, the one
in which the last sum leaves among them."""


@dataclass(frozen=True)
class ArrayProduct:
    """One matrix product as an array takes it.

    Attributes
    ----------
    weights : int64 [outputs, terms], levels of the array
    vectors : int64 [vectors, terms], what the words hold
    correction : int64 [outputs], to be added to the sums: it takes offsets out
    acc_bits : two's complement bits that hold every sum, and those of its tiles
    """

    weights: Tensor
    vectors: Tensor
    correction: Tensor
    acc_bits: int


def array_products(config: BitlineConfig, node: OnArray, stored: ActivationFormat, x: Tensor) -> list[ArrayProduct]:
    """The products of a node, one for each group of a convolution, for ``x`` [n, ...], stored as ``stored``.

    Words of unsigned arrays hold offsets above the least value of the format, and wider ones lie in several rows, a
    digit of ``act_bits`` each: its weights are so many places higher. Signed and encoded words hold values as they
    are. Raises `ParameterError` that names the node where it has other numbers than the array takes.
    """
    low, high = stored.range
    places = [0]
    if is_plain(config):
        places = [config.act_bits * digit for digit in range(digits_of(stored, config.act_bits))]
        low, high, offset = 0, high - low, low
    else:
        _check_stored(config, node, stored)
        offset = 0
    made = []
    for weights, vectors in _plain_products(node, x):
        above = vectors - offset
        if len(places) > 1:
            above = torch.cat([above >> place & (1 << config.act_bits) - 1 for place in places], 1)
        terms = torch.cat([weights << place for place in places], 1)
        most = [min(high >> place, (1 << config.act_bits) - 1) for place in places]
        needed = _acc_bits(terms, low, torch.tensor(most).repeat_interleave(weights.shape[1]))
        made.append(ArrayProduct(terms, above, weights.sum(1) * offset, needed))
        _check_product(config, node, made[-1], len(places))
    return made


def check_asm(arithmetic: str) -> None:
    """Raise `ParameterError` for the bit-serial array, which has another schedule."""
    if arithmetic != "asm":
        raise ParameterError(f"arithmetic must be asm for a network on a bitline array, not {arithmetic!r}")


def is_plain(config: BitlineConfig) -> bool:
    """Whether words hold unsigned binary numbers."""
    return config.activation.levels is None and not config.act_signed


def digits_of(stored: ActivationFormat, act_bits: int) -> int:
    """Rows that a value takes in words of ``act_bits`` unsigned bits."""
    low, high = stored.range
    return ceil_div((high - low).bit_length(), act_bits)


def _acc_bits(weights: Tensor, low: int, high: Tensor) -> int:
    """For values from ``low``, 0 or less, to ``high`` [terms], and any part of the terms."""
    positive, negative = weights.clamp(min=0), weights.clamp(max=0)
    least, most = (positive * low + negative * high).sum(1), (positive * high + negative * low).sum(1)
    return signed_bits(int(least.min()), int(most.max()))


def _check_stored(config: BitlineConfig, node: OnArray, stored: ActivationFormat) -> None:
    taken = config.activation
    if taken.levels is not None:
        fits = stored.levels is not None and set(stored.levels.levels) <= set(taken.levels.levels)
    else:
        fits = taken.range[0] <= stored.range[0] and stored.range[1] <= taken.range[1]
    if not fits:
        raise ParameterError(
            f"layer {node.name!r} must take the (bits, signed, alphabets) {taken} of the array's words, not {stored}"
        )


def _check_product(config: BitlineConfig, node: OnArray, product: ArrayProduct, digits: int) -> None:
    levels = config.weight.levels
    wrong = sorted(set(product.weights.unique().tolist()) - set(levels.levels))
    if wrong:
        moved = f", those for each of the {digits} digits of its values" if digits > 1 else ""
        raise ParameterError(
            f"layer {node.name!r} must have weights on {{{levels.alphabets}}} of {config.weight_bits} bits{moved}, "
            f"not {wrong[0]}"
        )
    if product.acc_bits > config.accumulator.bits:
        needed = product.acc_bits
        raise ParameterError(f"acc_bits must be at least {needed} for layer {node.name!r}, not {config.acc_bits}")


def _plain_products(node: OnArray, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Weights [outputs, inputs] and vectors [vectors, inputs] of each product; a pool is one of weights 1."""
    if isinstance(node, IntegerLayer):
        return products_of(node, x)
    # Each channel of each image is an image of its own. Small integers: float64 moves them exactly.
    down, right = node.beyond(tuple(x.shape[1:]))
    maps = F.pad(x.flatten(0, 1).unsqueeze(1).to(torch.float64), (0, right, 0, down))
    windows = F.unfold(maps, node.kernel, 1, node.padding, node.stride)
    vectors = windows.transpose(1, 2).flatten(0, 1).to(torch.int64)
    return [(torch.ones(1, vectors.shape[1], dtype=torch.int64), vectors)]


def sums_of(
    config: BitlineConfig, node: OnArray, stored: ActivationFormat, x: Tensor, matmul: Matmul
) -> tuple[Tensor, int]:
    """What a node's accumulators hold, int64 [n, out, ...], by products that ``matmul`` forms, and their cycles.

    Products follow one another: only after the last one the sum at its end takes a cycle of its own to leave.
    """
    sums, cycles = [], 1
    for product in array_products(config, node, stored, x):
        found, taken = matmul(product.weights.numpy(), product.vectors.numpy())
        sums.append(torch.from_numpy(found) + product.correction)
        cycles += taken - 1
    acc = torch.cat(sums, 1)  # [images x pixels, outputs]; of a pool [images x channels x pixels, 1]
    if isinstance(node, IntegerLayer):
        acc = acc.unflatten(0, (len(x), -1)).transpose(1, 2)
    return acc.reshape(len(x), *node.output_shape(tuple(x.shape[1:]))), cycles
