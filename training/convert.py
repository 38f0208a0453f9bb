"""From a prepared model to integers: every step of `fold` becomes a node of the integer network.

Between two stored tensors the float model computes sums, norms, ReLU and a quantizer; the integers
compute ``clamp((acc * m + skip * m' + b + (1 << (s-1))) >> s)``. They agree as far as ``m / 2**s`` meets
the real ratio, which `freeze` makes exact.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.fx import Node

from asm_hw.golden import finest_shift, half_of
from asm_hw.network.integer_layers import IntegerConv2d, IntegerLayer, IntegerLinear
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import IntegerNode
from asm_hw.network.integer_operations import IntegerConcat, IntegerMaxPool, IntegerMove, IntegerSum, IntegerSumPool
from asm_hw.network.integer_requantize import ACC_BITS, Format, Requantize
from asm_hw.numbers.integers import integer_range

from .fold import Joined, Output, Product, Step, Stored, Wide, WindowSum, fold
from .freeze import EXACT, Multipliers, choose_multiplier, code_of, freeze, multipliers, scale_errors, settle
from .levels import round_half_up
from .model_checks import check_model
from .quantizer import check_annealed
from .traced_operations import Seen, classify, prepared_shape, watch_prepared

__all__ = ["choose_multiplier", "convert", "freeze", "scale_errors", "settle"]


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
    builder = _Builder(model, seen)
    for step in fold(model, seen):
        builder.add(step)
    entry = builder.inputs[0]
    if builder.error > EXACT:
        off = f"multipliers are off by up to a share of {builder.error:.1g}"
        warnings.warn(f"{off}: freeze the model, or its integers differ from it", stacklevel=3)
    return IntegerNetwork(
        layers=tuple(builder.nodes),
        input_shape=prepared_shape(model, input_shape),
        input_scale=entry.scale.item(),
        output_scale=builder.output_scale,
        input_format=format_of(entry),
    )


def format_of(stored: Stored) -> Format:
    """How a stored tensor is stored."""
    config = stored.format
    return Format(config.act_bits, config.act_signed, config.act_alphabets)


class _Builder:
    def __init__(self, model: nn.Module, seen: Seen) -> None:
        self.model, self.seen = model, seen
        self.nodes: list[IntegerNode] = []
        self.inputs: list[Stored] = []
        self.names: dict[Node, str] = {}
        """The node of the network that holds each stored tensor, by its node in the model."""
        self.output_scale = 1.0
        self.error = 0.0
        """The largest relative error of a multiplier."""

    def add(self, step: Step | Output) -> None:
        """The node of ``step``, after those before it."""
        if isinstance(step, Output):
            self._output(step)
        elif step.kind == "sum":
            self._keep(step.target, self._sum(step))
        elif step.kind == "narrow":
            self._keep(step.target, self._narrow(step))
        elif step.kind == "max":
            kernel, stride, padding = step.detail
            window = {"kernel": kernel, "stride": stride, "padding": padding}
            self._keep(step.target, IntegerMaxPool(**self._head(step.target, step.source), **window))
        elif step.detail[0] == "reshape" and self._only_linear(step.target.node):
            self.names[step.target.node] = self._name_of(step.source)
        else:
            action, arguments = step.detail
            self._keep(
                step.target, IntegerMove(**self._head(step.target, step.source), action=action, arguments=arguments)
            )

    def _keep(self, target: Stored, node: IntegerNode) -> None:
        self.nodes.append(node)
        self.names[target.node] = node.name

    def _head(self, target: Stored, *sources: object) -> dict:
        """Name and sources of a node."""
        return {"name": self._new_name(target.name), "sources": tuple(self._name_of(source) for source in sources)}

    def _new_name(self, name: str) -> str:
        """``name``, numbered where a layer is called again."""
        used = {node.name for node in self.nodes}
        choices = (name if i == 1 else f"{name}#{i}" for i in range(1, len(used) + 2))
        return next(choice for choice in choices if choice not in used)

    def _name_of(self, stored: object) -> str:
        assert isinstance(stored, Stored)
        if stored.name == "input" and stored.node not in self.names:
            self.inputs.append(stored)
            self.names[stored.node] = "input"
        return self.names[stored.node]

    def _only_linear(self, node: Node) -> bool:
        """Whether nothing but linear layers, which flatten by themselves, reads ``node``."""
        ops = {user: classify(user, self.model, self.seen) for user in node.users}  # type: ignore[arg-type]
        return all(
            isinstance(op.detail, nn.Linear) or (op.kind == "same" and self._only_linear(user))
            for user, op in ops.items()
        )

    def _sum(self, step: Step) -> IntegerNode:
        """A product, a mean or stored tensors, and the residual that joins them."""
        assert isinstance(step.source, Wide)
        terms = step.source.terms
        chosen = multipliers(step)
        used = [error[level != 0] for error, level in zip(chosen.errors, chosen.levels, strict=True)]
        self.error = max([self.error, *(error.max().item() for error in used if len(error))])
        requantize = self._requantize(step, chosen)
        operand = terms[chosen.main].operand
        skips = [self._name_of(term.operand) for i, term in enumerate(terms) if i != chosen.main]
        if isinstance(operand, Product):
            return self._layer(step.target, operand, requantize, skips)
        if isinstance(operand, WindowSum):
            return self._mean(step.target, operand, requantize, skips)
        if isinstance(operand, Joined):
            sources = tuple(map(self._name_of, operand.sources))
            name = self._new_name(f"{step.target.name}.join")
            self.nodes.append(IntegerConcat(name=name, sources=sources, count=len(sources)))
            source = name
        else:
            source = self._name_of(operand)
        return IntegerSum(name=self._new_name(step.target.name), sources=(source, *skips), requantize=requantize)

    def _requantize(self, step: Step, chosen: Multipliers) -> Requantize:
        """The multipliers ``chosen``, bias, shift and clamp into the step's target."""
        assert isinstance(step.source, Wide)
        channels, scale = self.seen[step.target.node][1], step.target.scale

        def each(values: Tensor) -> Tensor:
            return values.expand(channels).clone()

        skip = next((i for i in range(len(chosen.levels)) if i != chosen.main), None)
        bits, signed, encode = format_of(step.target)
        low, high = integer_range(bits, signed)
        limits = (_clip(step.source.low / scale, bits, signed), _clip(step.source.high / scale, bits, signed))
        return Requantize(
            alphabets=code_of(step).alphabets,
            scale=each(chosen.levels[chosen.main]),
            bias=each(_bias(step, chosen.shift.double())),
            shift=each(chosen.shift),
            bits=bits,
            signed=signed,
            encode=encode,
            skip_scale=None if skip is None else each(chosen.levels[skip]),
            skip_shift=None if skip is None else each(chosen.left[skip]),
            limits=None if limits == (low, high) else limits,
        )

    def _layer(self, target: Stored, product: Product, requantize: Requantize, skips: list[str]) -> IntegerLayer:
        """The convolution or matrix product of ``product``."""
        bits, signed, encode = format_of(product.source)
        config = replace(product.weights.config, act_bits=bits, act_signed=signed, act_alphabets=encode)
        sources = (self._name_of(product.source), *skips)
        layer, levels, name = product.layer, product.levels, self._new_name(target.name)
        if isinstance(layer, nn.Linear):
            return IntegerLinear(name=name, sources=sources, config=config, weight=levels, requantize=requantize)
        padding = layer._reversed_padding_repeated_twice
        return IntegerConv2d(
            name=name,
            sources=sources,
            config=config,
            weight=levels,
            requantize=requantize,
            stride=layer.stride,
            padding=(padding[2], padding[0]),
            dilation=layer.dilation,
            groups=layer.groups,
        )

    def _mean(self, target: Stored, operand: WindowSum, requantize: Requantize, skips: list[str]) -> IntegerNode:
        kernel, stride, padding = operand.window
        head = {"name": self._new_name(target.name), "sources": (self._name_of(operand.source), *skips)}
        pool = IntegerSumPool(**head, kernel=kernel, stride=stride, padding=padding, requantize=requantize)
        shape = self.seen[target.node][1:]
        if len(shape) == 3 or self._only_linear(target.node):
            return pool
        self.nodes.append(pool)
        name = self._new_name(f"{target.name}.flat")
        return IntegerMove(name=name, sources=(pool.name,), action="reshape", arguments=tuple(shape))

    def _narrow(self, step: Step) -> IntegerNode:
        """The top bits of a tensor: a multiplier of 1, so rounding, shift and clamp alone."""
        channels = self.seen[step.target.node][1]
        bits, signed, encode = format_of(step.target)
        zero = torch.zeros(channels, dtype=torch.int64)
        requantize = Requantize(
            alphabets=step.target.format.alphabets,
            scale=zero + 1,
            bias=zero,
            shift=zero + step.detail,
            bits=bits,
            signed=signed,
            encode=encode,
        )
        return IntegerSum(**self._head(step.target, step.source), requantize=requantize)

    def _output(self, step: Output) -> None:
        """The accumulators of a last layer with its bias; or a stored tensor, which must come last."""
        if isinstance(step.source, Stored):
            self.output_scale = step.source.scale.item()
            name = self._name_of(step.source)
            if not self.nodes or self.nodes[-1].name != name:
                shape = tuple(self.seen[step.source.node][1:])
                self.nodes.append(IntegerMove(name="output", sources=(name,), action="reshape", arguments=shape))
            return
        (term,) = step.source.terms
        assert isinstance(term.operand, Product)
        channels = len(term.operand.levels)
        bias = round_half_up(step.source.offset / term.unit).to(torch.int64).expand(channels).clone()
        zero = torch.zeros_like(bias)
        alphabets = term.operand.weights.config.alphabets
        requantize = Requantize(alphabets=alphabets, scale=zero + 1, bias=bias, shift=zero, bits=ACC_BITS, signed=True)
        target = replace(term.operand.source, name=term.operand.path)
        self.nodes.append(self._layer(target, term.operand, requantize, []))
        self.output_scale = term.unit.item()


def _bias(step: Step, shift: Tensor) -> Tensor:
    """The bias of a sum step in the units that ``shift`` (float64) leaves, int64.

    A channel of tiny ratios has a longer shift than the others. Its sums are finer than what a quantizer rounds
    up below half a step (`half_of`), so that the hardware has to be told.
    """
    assert isinstance(step.source, Wide)
    bits, _, _ = format_of(step.target)
    bias = round_half_up(step.source.offset / step.target.scale * torch.exp2(shift))
    return (bias + torch.exp2(shift - finest_shift(bits) - 1).floor()).to(torch.int64)


def _clip(limit: Tensor, bits: int, signed: bool) -> int:
    """A real limit in steps as an integer of the range: what the quantizer makes of it."""
    low, high = integer_range(bits, signed)
    return low if limit < low else high if limit > high else int(torch.floor(limit + half_of(bits)))
