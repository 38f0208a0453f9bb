"""Taps in lanes: what would leave most lanes at 0 pixel by pixel becomes fewer tiles, or fewer steps.

An input that one layer alone reads may lie as its windows: the host writes, for each output pixel, the values that its
kernel meets as channels. A sum over a whole map may take windows that do not overlap instead of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch.nn.functional as F

from asm_hw.network.integer_node import INPUT
from asm_hw.units.engine.engine_config import SIDES, EngineConfig

from .products import Product
from .tensor_layout import TensorLayout
from .tiling import Tiler

Pair = tuple[int, int]


@dataclass(frozen=True)
class InputWindows:
    """How an input [channels, height, width] is written as windows [channels kh kw, out height, out width].

    The order of its channels is that of a convolution's weights; places beyond the input hold 0.
    """

    shape: tuple[int, int, int]
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    out_size: Pair

    @property
    def written_shape(self) -> tuple[int, int, int]:
        """Of the windows."""
        return self.shape[0] * math.prod(self.kernel), *self.out_size

    def of(self, values: np.ndarray) -> np.ndarray:
        """The windows of integers of ``shape``."""
        whole = [(kernel - 1) * dilation + 1 for kernel, dilation in zip(self.kernel, self.dilation, strict=True)]
        reach = [(n - 1) * stride + k for n, stride, k in zip(self.out_size, self.stride, whole, strict=True)]
        behind = [
            max(0, most - before - size) for most, before, size in zip(reach, self.padding, self.shape[1:], strict=True)
        ]
        padded = np.pad(values, ((0, 0), *zip(self.padding, behind, strict=True)))
        views = np.lib.stride_tricks.sliding_window_view(padded, whole, axis=(1, 2))
        (down, right), (dy, dx) = self.stride, self.dilation
        taken = views[:, ::down, ::right, ::dy, ::dx][:, : self.out_size[0], : self.out_size[1]]
        return taken.transpose(0, 3, 4, 1, 2).reshape(-1, *self.out_size)


def input_windows(products: Sequence[Product], shape: tuple[int, int, int]) -> InputWindows | None:
    """The windows of the one product that reads the input of ``shape``, if one alone does, through several taps."""
    readers = [product for product in products if INPUT in (product.source, product.skip)]
    if len(readers) != 1 or readers[0].skip == INPUT or readers[0].reduce or readers[0].largest:
        return None
    (reader,) = readers
    kernel = reader.weight.shape[2], reader.weight.shape[3]
    if kernel == (1, 1):
        return None
    return InputWindows(shape, kernel, reader.stride, reader.padding, reader.dilation, reader.out_size)


def over_windows(product: Product) -> Product:
    """The product that reads the input as windows."""
    point = product.weight.flatten(1)[:, :, None, None]
    return replace(product, weight=point, stride=(1, 1), padding=(0, 0), dilation=(1, 1))


def fold_sum(config: EngineConfig, product: Product, source: TensorLayout) -> Product:
    """A sum over all pixels as one over windows of two columns, if that takes fewer cycles."""
    if config.taps == 1 or not product.reduce or product.largest:
        return product
    rows = min(config.window_rows, source.shape[1])
    # The first of a window's three columns is left out, and padding where a row begins: two new ones come in one cycle.
    both = F.pad(product.weight.expand(-1, -1, rows, SIDES), (1, 0))
    windows = replace(product, weight=both, stride=(rows, SIDES), padding=(0, 1))
    return min(product, windows, key=lambda one: estimated_cycles(config, one, source))


def estimated_cycles(config: EngineConfig, product: Product, source: TensorLayout) -> int:
    """About what a product takes, to choose among its forms."""
    tiling = Tiler(config, product, source).tiling()
    rows, columns = product.walk(source.shape[1:])
    fills = max(one.sum() for one in tiling.fills(product.stride[1], source.shape[2], columns))
    tile = max(rows * (columns + int(fills)), config.columns + 2)
    return len(tiling.passes) * len(tiling.passes[0]) * tile
