"""From a prepared model to integers: every step of `fold` becomes a node of the integer network.

Between two stored tensors the float model computes sums, norms, ReLU and a quantizer; the integers
compute ``clamp((acc * m + skip * m' + b + (1 << (s-1))) >> s)``. They agree as far as ``m / 2**s`` meets
the real ratio, which `freeze` makes exact. `requantize_multipliers` finds ``m`` and ``s``;
`integer_builder` rounds ``b`` and puts the three together.
"""

from __future__ import annotations

import warnings

import torch
from torch import nn

from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.merged_moves import merged_moves

from .fold import fold
from .freeze import freeze
from .integer_builder import NetworkBuilder
from .model_checks import check_model
from .quantizer import check_annealed
from .requantize_multipliers import EXACT
from .tensor_shapes import prepared_graph, prepared_shape, watch_prepared

__all__ = ["convert", "freeze"]


@torch.no_grad()
def convert(model: nn.Module, input_shape: tuple[int, ...] | None = None) -> IntegerNetwork:
    """The integer network of a prepared ``model`` for inputs of ``input_shape`` (no batch).

    By default the shape is that of the sample it was prepared with.

    What differs from the fake-quantized forward in evaluation mode: the multipliers by `scale_errors`,
    biases rounded to ``2**-s`` of a step, and the float kernels' own rounding, which can turn a value
    near half a step to the other side. Raises `ParameterError`, naming the module, where a layer was
    left in float or has no integer form. Warns where multipliers are off, as without `freeze`: then the
    integers compute something else than the model.
    """
    seen = watch_prepared(model, input_shape)
    check_model(model)
    check_annealed(model)
    graph = prepared_graph(model)
    builder = NetworkBuilder(graph, seen)
    for step in fold(graph, seen):
        builder.add(step)
    entry = builder.inputs[0]
    if builder.error > EXACT:
        off = f"multipliers are off by up to a share of {builder.error:.1g}"
        warnings.warn(f"{off}: freeze the model, or its integers differ from it", stacklevel=3)
    network = IntegerNetwork(
        layers=tuple(builder.nodes),
        input_shape=prepared_shape(model, input_shape),
        input_scale=entry.scale.item(),
        output_scale=builder.output_scale,
        input_format=entry.format,
    )
    return merged_moves(network)
