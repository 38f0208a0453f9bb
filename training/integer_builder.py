"""The nodes of an integer network from the steps of a frozen model."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.golden.rounding import finest_shift, half_of
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLayer, IntegerLinear
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_node import IntegerNode
from asm_hw.network.integer_pools import IntegerSumPool
from asm_hw.network.integer_requantize import LOGIT_BITS, MAX_BIAS, Requantize
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.numbers.integers import signed_bits

from .built_nodes import BuiltNodes
from .conv_padding import conv_padding, dilation_of, kernel_of, stride_of
from .folded_steps import (
    AppendStep,
    Joined,
    MaxStep,
    NarrowStep,
    Output,
    Product,
    Step,
    Stored,
    SumStep,
    TableStep,
    WindowSum,
)
from .function_tables import table_of
from .levels import round_half_up
from .requantize_multipliers import Multipliers, multiplier_levels, multipliers
from .shape_operations import map_shape
from .tensor_shapes import Seen


class NetworkBuilder(BuiltNodes):
    """Adds a node for each step, in order."""

    def __init__(self, model: GraphModule, seen: Seen) -> None:
        super().__init__(model, seen)
        self.output_scale = 1.0
        self.error = 0.0
        """The largest relative error of a multiplier."""

    def add(self, step: Step | Output) -> None:
        """The node of ``step``, after those before it."""
        if isinstance(step, Output):
            self._output(step)
        elif isinstance(step, SumStep):
            self.keep(step.target, self._sum(step))
        elif isinstance(step, TableStep):
            self.keep(step.target, table_of(step, self.new_name(step.target.name), self.name_of(step.source.source)))
        elif isinstance(step, NarrowStep):
            self.keep(step.target, self._narrow(step))
        elif isinstance(step, MaxStep):
            self.max(step)
        elif isinstance(step, AppendStep):
            self.append(step)
        else:
            self.move(step)

    def _sum(self, step: SumStep) -> IntegerNode:
        """A product, a mean or stored tensors, and the residual that joins them."""
        terms = step.source.terms
        found = multipliers(step)
        used = [error[level != 0] for error, level in zip(found.errors, found.levels, strict=True)]
        self.error = max([self.error, *(error.max().item() for error in used if len(error))])
        requantize = self._requantize(step, found)
        operand = terms[found.main].operand
        skips = [self.name_of(term.operand) for i, term in enumerate(terms) if i != found.main]
        if isinstance(operand, Product):
            return self._layer(step.target, operand, requantize, skips)
        if isinstance(operand, WindowSum):
            return self._mean(step.target, operand, requantize, skips)
        if isinstance(operand, Joined):
            sources = tuple(map(self.name_of, operand.sources))
            name = self.new_name(f"{step.target.name}.join")
            self.nodes.append(IntegerConcat(name=name, sources=sources, count=len(sources)))
            source = name
        else:
            source = self.name_of(operand)
        return IntegerSum(name=self.new_name(step.target.name), sources=(source, *skips), requantize=requantize)

    def _requantize(self, step: SumStep, found: Multipliers) -> Requantize:
        """The multipliers ``found``, bias, shift and clamp into the step's target."""
        channels, scale = self.seen[step.target.node][1], step.target.scale

        def each(values: Tensor) -> Tensor:
            return values.expand(channels).clone()

        skip = next((i for i in range(len(found.levels)) if i != found.main), None)
        stored = step.target.format
        limits = (_clip(step.source.low / scale, stored), _clip(step.source.high / scale, stored))
        return Requantize(
            alphabets=multiplier_levels(step).alphabets,
            scale=each(found.levels[found.main]),
            bias=each(_bias(step, found.shift.double())),
            shift=each(found.shift),
            bits=stored.bits,
            signed=stored.signed,
            encode=stored.alphabets,
            skip_scale=None if skip is None else each(found.levels[skip]),
            skip_shift=None if skip is None else each(found.left[skip]),
            limits=None if limits == stored.binary_range else limits,
        )

    def _layer(self, target: Stored, product: Product, requantize: Requantize, skips: list[str]) -> IntegerLayer:
        """The convolution or matrix product of ``product``."""
        operands = ProductFormat(product.weights.format, product.source.format)
        sources = (self.name_of(product.source), *skips)
        layer, levels, name = product.layer, product.levels, self.new_name(target.name)
        if isinstance(layer, nn.Linear):
            return IntegerLinear(name=name, sources=sources, operands=operands, weight=levels, requantize=requantize)
        left, _, top, _ = conv_padding(layer)
        return IntegerConv2d(
            name=name,
            sources=sources,
            operands=operands,
            weight=levels.unflatten(2, kernel_of(layer)) if isinstance(layer, nn.Conv1d) else levels,
            requantize=requantize,
            stride=stride_of(layer),
            padding=(top, left),
            dilation=dilation_of(layer),
            groups=layer.groups,
        )

    def _mean(self, target: Stored, operand: WindowSum, requantize: Requantize, skips: list[str]) -> IntegerNode:
        pool = IntegerSumPool(
            name=self.new_name(target.name),
            sources=(self.name_of(operand.source), *skips),
            requantize=requantize,
            **operand.window._asdict(),
        )
        shape = map_shape(self.seen[target.node][1:])
        found = pool.output_shape(map_shape(self.seen[operand.source.node][1:]))
        if shape == found or self.only_linear(target.node):
            return pool
        self.nodes.append(pool)
        name = self.new_name(f"{target.name}.flat")
        return IntegerMove(name=name, sources=(pool.name,), action="reshape", arguments=shape)

    def _narrow(self, step: NarrowStep) -> IntegerNode:
        """The top bits of a tensor: a multiplier of 1, so rounding, shift and clamp alone."""
        channels = self.seen[step.target.node][1]
        stored = step.target.format
        zero = torch.zeros(channels, dtype=torch.int64)
        requantize = Requantize(
            alphabets=step.target.multipliers,
            scale=zero + 1,
            bias=zero,
            shift=zero + step.shift,
            bits=stored.bits,
            signed=stored.signed,
            encode=stored.alphabets,
        )
        name, sources = self.new_name(step.target.name), (self.name_of(step.source),)
        return IntegerSum(name=name, sources=sources, requantize=requantize)

    def _output(self, step: Output) -> None:
        """The accumulators of a last layer with its bias; or a stored tensor, which must come last."""
        shape = tuple(self.seen[step.node][1:])
        if isinstance(step.source, Stored):
            self.output_scale = step.source.scale.item()
            name = self.name_of(step.source)
            if not self.nodes or self.nodes[-1].name != name or map_shape(shape) != shape:
                self.reshaped(name, shape, "output")
            return
        (term,) = step.source.terms
        assert isinstance(term.operand, Product)
        channels = len(term.operand.levels)
        path = term.operand.path
        bias = _whole(round_half_up(step.source.offset / term.unit), path).expand(channels).clone()
        zero = torch.zeros_like(bias)
        alphabets = term.operand.weights.format.alphabets
        requantize = Requantize(
            alphabets=alphabets, scale=zero + 1, bias=bias, shift=zero, bits=LOGIT_BITS, signed=True
        )
        target = replace(term.operand.source, name=path)
        layer = self._layer(target, term.operand, requantize, [])
        low, high = layer.acc_range
        bits = max(LOGIT_BITS, signed_bits(int((low + bias).min()), int((high + bias).max())))
        self.nodes.append(replace(layer, requantize=replace(requantize, bits=bits)))
        self.output_scale = term.unit.item()
        if map_shape(shape) != shape:
            self.reshaped(layer.name, shape, "output")


def _bias(step: SumStep, shift: Tensor) -> Tensor:
    """The bias of a sum step in the units that ``shift`` (float64) leaves, int64.

    A channel of tiny ratios has a longer shift than the others. Its sums are finer than what a quantizer rounds
    up below half a step (`half_of`), so that the hardware has to be told.
    """
    bias = round_half_up(step.source.offset / step.target.scale * torch.exp2(shift))
    return _whole(bias + torch.exp2(shift - finest_shift(step.target.format.bits) - 1).floor(), step.target.name)


def _whole(bias: Tensor, name: str) -> Tensor:
    """``bias`` (float64, whole numbers), int64; `ParameterError` where the sums of ``name`` cannot hold it."""
    largest = bias.abs().max().item()
    if not largest < MAX_BIAS:
        raise ParameterError(
            f"{name!r} must add a bias below {MAX_BIAS:.3g} of its units either way, not {largest:.3g}"
        )
    return bias.to(torch.int64)


def _clip(limit: Tensor, stored: ActivationFormat) -> int:
    """A real limit in steps as an integer of the range: what the quantizer makes of it."""
    low, high = stored.binary_range
    return low if limit < low else high if limit > high else int(torch.floor(limit + half_of(stored.bits)))
