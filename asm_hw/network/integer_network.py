"""Networks of integers: nodes that read one another's tensors, and the sizes that a schedule needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from asm_hw import golden
from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.numbers.alphabets import AlphabetSet

from .integer_layers import IntegerLayer
from .integer_moves import IntegerMove
from .integer_node import INPUT, IntegerNode
from .integer_requantize import encode_tensor
from .integer_table import IntegerTable
from .network_summary import summary_of

LEAST_SCALE = 2.0**-126
"""What a step is worth at least: in float32 the scale and its reciprocal are normal numbers."""

FLOAT_BITS = 32
"""Bits of a weight before quantization."""

CHUNK, CHUNK_VALUES = 32, 1 << 22
"""Inputs evaluated at a time, fewer where one tensor would hold more values: tensors stay near the processor."""


def check_scale(name: str, value: Any) -> None:
    """Raise `ParameterError` unless a step of the tensor ``name`` may be worth ``value``."""
    known = isinstance(value, float | int) and not isinstance(value, bool)
    if not known or not LEAST_SCALE <= value < 1 / LEAST_SCALE:
        raise ParameterError(f"{name} must be a number above 0, normal in float32, not {value!r}")


@dataclass(frozen=True)
class LayerSize:
    """What a layer costs for one input: multiply-accumulates, and bits of its weights in three storages."""

    name: str
    output_shape: tuple[int, ...]
    macs: int
    weights: int
    float_bits: int
    binary_bits: int
    packed_bits: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IntegerNetwork:
    """Nodes in the order of execution, each taking the integers of its sources; the last gives the result.

    A node without sources takes the one before it. ``input_shape``: of one input, without batch.
    ``input_format``: how the input is stored; by default as the first layer takes it. ``input_scale``
    and ``output_scale``: what a step of the input and of the output is worth outside; the integers do
    not depend on them. Raises `ParameterError` where shapes or number formats do not meet.
    """

    layers: tuple[IntegerNode, ...]
    input_shape: tuple[int, ...]
    input_scale: float
    output_scale: float
    input_format: ActivationFormat | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        if not self.layers:
            raise ParameterError("layers must name at least one layer, not none")
        for name in ("input_scale", "output_scale"):
            check_scale(name, getattr(self, name))
        for size in self.input_shape:
            check_range("input_shape", size, 1, 1 << 16)
        self._check_names()
        if self.input_format is None:
            first = self.layers[0]
            if not isinstance(first, IntegerLayer):
                raise ParameterError(f"input_format must be given where the first layer is {type(first).__name__}")
            object.__setattr__(self, "input_format", first.operands.activation)
        _ = self.formats, self.sizes  # what does not fit is refused here rather than at first use

    def _check_names(self) -> None:
        """Every node has a name of its own and as many sources, listed before it, as it takes."""
        known = {INPUT}
        for layer, sources in zip(self.layers, self.sources, strict=True):
            if layer.name in known:
                raise ParameterError(f"name of a layer must be its own, not {layer.name!r} again")
            for source in sources:
                if source not in known:
                    raise ParameterError(f"layer {layer.name!r} must have sources listed before it, not {source!r}")
            if len(sources) != layer.arity:
                raise ParameterError(f"layer {layer.name!r} must have {layer.arity} sources, not {len(sources)}")
            known.add(layer.name)

    @cached_property
    def products(self) -> tuple[IntegerLayer, ...]:
        """The convolutions and matrix products, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, IntegerLayer))

    @cached_property
    def alphabets(self) -> AlphabetSet:
        """The alphabets of all weights and multipliers."""
        found = {1}
        for layer in self.layers:
            if isinstance(layer, IntegerLayer):
                found |= set(layer.operands.weight.alphabets)
            requantize = getattr(layer, "requantize", None)
            if requantize is not None:
                found |= set(requantize.alphabets)
        return AlphabetSet(tuple(found))

    @cached_property
    def act_alphabets(self) -> AlphabetSet | None:
        """The alphabets of the first tensor that a layer encodes; None where all are binary."""
        found = (getattr(layer, "requantize", None) for layer in self.layers)
        return next((one.encode for one in found if one is not None and one.encode is not None), None)

    @cached_property
    def sources(self) -> tuple[tuple[str, ...], ...]:
        """The names of each node's sources, the default filled in."""
        before = [INPUT, *(layer.name for layer in self.layers[:-1])]
        return tuple(layer.sources or (name,) for layer, name in zip(self.layers, before, strict=True))

    @cached_property
    def formats(self) -> dict[str, ActivationFormat]:
        """How every tensor is stored, by name, the input's among them."""
        assert self.input_format is not None
        formats = {INPUT: self.input_format}
        for layer, sources in zip(self.layers, self.sources, strict=True):
            formats[layer.name] = layer.output_format(*(formats[source] for source in sources))
        return formats

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape, without batch, of every tensor by name, the input's among them."""
        shapes = {INPUT: self.input_shape}
        for layer, sources in zip(self.layers, self.sources, strict=True):
            shapes[layer.name] = layer.output_shape(*(shapes[source] for source in sources))
        return shapes

    @cached_property
    def chunk(self) -> int:
        """Inputs that are evaluated at a time."""
        largest = max(map(math.prod, self.shapes.values()))
        return max(1, min(CHUNK, CHUNK_VALUES // max(1, largest)))

    @cached_property
    def _last_use(self) -> dict[str, int]:
        """By tensor, the place of the last node that reads it."""
        return {source: i for i, sources in enumerate(self.sources) for source in sources}

    def forward(self, x: Tensor) -> Tensor:
        """The last node's integers, int64 [n, out], of integer inputs ``x`` [n, *input_shape]."""
        self._check_inputs(x)
        return torch.cat([self._run(part) for part in x.split(self.chunk)]) if len(x) else self._run(x)

    __call__ = forward

    def tensors(self, x: Tensor) -> dict[str, Tensor]:
        """Every tensor by name, int64 [n, ...], of integer inputs ``x`` [n, *input_shape], those among them."""
        self._check_inputs(x)
        found = {INPUT: x}
        for layer, sources in zip(self.layers, self.sources, strict=True):
            found[layer.name] = layer.forward(*(found[source] for source in sources))
        return found

    def _check_inputs(self, x: Tensor) -> None:
        """Raise `ParameterError` unless ``x`` are inputs; all else fits by construction."""
        if tuple(x.shape[1:]) != self.input_shape:
            raise ParameterError(f"inputs must have shape {self.input_shape} after the batch, not {tuple(x.shape[1:])}")
        moved = {INPUT}
        for layer, sources in zip(self.layers, self.sources, strict=True):
            if isinstance(layer, IntegerMove) and sources[0] in moved:
                moved.add(layer.name)
            if isinstance(layer, IntegerLayer | IntegerTable) and sources[0] in moved:
                layer.check_input(x)

    def _run(self, x: Tensor) -> Tensor:
        if x.dim() == 4:  # depthwise convolutions are several times faster so
            x = x.contiguous(memory_format=torch.channels_last)
        tensors = {INPUT: x}
        for i, (layer, sources) in enumerate(zip(self.layers, self.sources, strict=True)):
            result = layer.forward(*(tensors[source] for source in sources))
            for source in sources:
                if self._last_use[source] == i:
                    tensors.pop(source, None)
            tensors[layer.name] = result
        return result

    def quantize_input(self, values: Tensor) -> Tensor:
        """The integers, int64, of real inputs: scaled, rounded half up, saturated, encoded where the layer asks."""
        if not isinstance(values, Tensor) or not values.is_floating_point() or not values.isfinite().all():
            raise ParameterError("values must be a tensor of finite real numbers, [n, *input_shape]")
        stored = self.formats[INPUT]
        low, high = stored.binary_range
        # The very operations of the training quantizer, so that both agree on every value.
        scale = torch.tensor(self.input_scale, dtype=values.dtype)
        x = torch.floor(values * scale.reciprocal() + golden.half_of(stored.bits)).clamp(low, high)
        # Of many bits the largest integer is no float: the nearest one may lie above it.
        return encode_tensor(stored, x.to(torch.int64).clamp(low, high))

    def __repr__(self) -> str:
        """A table of the layers: shapes, multiply-accumulates, weights and their bits, formats; totals last."""
        return summary_of(self)

    @cached_property
    def sizes(self) -> tuple[LayerSize, ...]:
        """The cost of every layer, in order."""
        return tuple(_size(layer, self.shapes[layer.name]) for layer in self.layers)


def _size(layer: IntegerNode, shape: tuple[int, ...]) -> LayerSize:
    """What ``layer`` costs; without weights, nothing."""
    if not isinstance(layer, IntegerLayer):
        return LayerSize(layer.name, shape, 0, 0, 0, 0, 0)
    weights = layer.weight.numel()
    return LayerSize(
        name=layer.name,
        output_shape=shape,
        macs=math.prod(shape) * layer.terms,
        weights=weights,
        float_bits=FLOAT_BITS * weights,
        binary_bits=layer.operands.weight.bits * weights,
        packed_bits=layer.operands.weight.code_bits * weights,
    )
