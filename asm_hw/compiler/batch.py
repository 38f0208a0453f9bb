"""Networks of matrix products over several vectors at once: pixels of a map, so that weights are reused.

A network that takes vectors [channels] becomes one that takes maps [channels, 1, batch]; a matrix product is a 1 x 1
convolution there.
"""

from __future__ import annotations

import math

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from asm_hw.errors import ParameterError, check_range
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.network.integer_table import IntegerTable
from asm_hw.units.engine.engine_records import COUNT

MAX_BATCH = (1 << COUNT) - 1
"""Most vectors: columns of a map."""


def batched(network: IntegerNetwork, batch: int) -> IntegerNetwork:
    """``network`` over ``batch`` vectors at once; itself for 1.

    Raises `ParameterError` that names the layer which takes more than vectors.
    """
    if check_range("batch", batch, 1, MAX_BATCH) == 1:
        return network
    layers = []
    for layer, sources in zip(network.layers, network.sources, strict=True):
        shapes = [network.shapes[source] for source in sources]
        layers.append(_over_pixels(layer, sources, all(len(shape) == 1 for shape in shapes), batch))
    return IntegerNetwork(
        layers=tuple(layers),
        input_shape=(math.prod(network.input_shape), 1, batch),
        input_scale=network.input_scale,
        output_scale=network.output_scale,
        input_format=network.input_format,
    )


def _over_pixels(layer: IntegerNode, sources: tuple[str, ...], vectors: bool, batch: int) -> IntegerNode:
    """The same node on every pixel of a map. ``vectors``: whether it takes tensors of one dimension."""
    if isinstance(layer, IntegerLinear):  # which flattens what it takes
        return IntegerConv2d(
            name=layer.name,
            sources=sources,
            operands=layer.operands,
            weight=layer.weight[:, :, None, None],
            requantize=layer.requantize,
        )
    if isinstance(layer, IntegerSum | IntegerConcat | IntegerTable) and vectors:
        return layer
    raise ParameterError(
        f"layer {layer.name!r} must be a matrix product, or a sum, table or concatenation of vectors, for batch"
        f" {batch}, not {layer.kind}"
    )


def in_maps(x: Tensor, batch: int) -> Tensor:
    """Vectors [n, ...] as maps [n / batch rounded up, channels, 1, batch], the last one filled up with zeros."""
    if batch == 1:
        return x
    rows = x.flatten(1)
    rows = F.pad(rows, (0, 0, 0, -len(rows) % batch))
    return rows.view(-1, batch, rows.shape[1]).transpose(1, 2).unsqueeze(2).contiguous()


def in_vectors(values: np.ndarray, batch: int) -> list[np.ndarray]:
    """The results of a map [channels, 1, batch], one array each; the one result itself for 1."""
    return [values] if batch == 1 else [values[:, 0, index] for index in range(batch)]
