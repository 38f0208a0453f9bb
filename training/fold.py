"""A prepared model as the steps of the integer hardware, all floats folded into ratios and offsets.

Between two stored tensors a step computes ``clamp(sum of ratio * operand + offset)`` for each channel,
where an operand is an accumulator or a stored integer: norms, biases, gains and scales are all in the
ratios and offsets, float64. `freeze` makes the ratios levels, `convert` makes the steps integer layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.nn.utils import parametrize

from asm_hw.errors import ParameterError
from asm_hw.network.integer_node import INPUT

from .conv_padding import check_layer
from .folded_norms import affine, double
from .folded_steps import (
    AppendStep,
    Applied,
    Joined,
    MaxStep,
    MoveStep,
    NarrowStep,
    Output,
    Product,
    Step,
    Stored,
    SumStep,
    TableStep,
    Term,
    Wide,
    WindowSum,
)
from .function_tables import checked
from .nearest_forms import refusal
from .placement import IDLE
from .quantizer import ActivationQuantizer
from .shape_operations import Op
from .tensor_shapes import Seen
from .traced_operations import classify, place_of


def fold(model: GraphModule, seen: Seen) -> Iterator[Step | Output]:
    """The steps of a prepared ``model`` in order of execution, each computed when it is asked for.

    A step therefore sees scales that were moved while an earlier one was looked at. Raises
    `ParameterError`, naming the module, where floats would remain.
    """
    return _Folder(model, seen).run()


def refusals(model: GraphModule, seen: Seen) -> list[str]:
    """Why a prepared ``model`` has no integer form, one sentence for each reason; none where it has one."""
    found: dict[str, None] = {}
    for _ in _Folder(model, seen).run(found):
        pass
    return list(found)


class _Folder:
    def __init__(self, model: GraphModule, seen: Seen) -> None:
        self.model, self.seen = model, seen
        self.values: dict[Node, Stored | Wide | Applied | str] = {}
        """By node; a text says why a value is in float."""

    def run(self, refused: dict[str, None] | None = None) -> Iterator[Step | Output]:
        """``refused``: takes the reasons why floats remain, as keys; without it the first of them ends the run."""
        inputs = [node.name for node in self.model.graph.nodes if node.op == "placeholder"]
        if len(inputs) != 1:
            raise ParameterError(f"the model must have one input, not {len(inputs)}: {', '.join(inputs)}")
        for node in self.model.graph.nodes:
            op = classify(node, self.model, self.seen)
            if op.kind == "value":
                continue
            try:
                result = getattr(self, f"_{op.kind}")(node, op)
            except ParameterError as error:
                if refused is None:
                    raise
                result = str(error)
            if refused is not None and isinstance(result, str) and node.op != "placeholder":
                refused[result] = None
            if not isinstance(result, Step | Output):
                self.values[node] = result
                continue
            yield result
            if isinstance(result, SumStep):  # the scale may have been moved meanwhile
                self.values[node] = replace(result.target, scale=double(result.quantizer.scale))
            elif not isinstance(result, Output):
                self.values[node] = result.target

    def _value(self, node: Node) -> Stored | Wide:
        """The value of ``node``; one left in float ends the conversion."""
        value = self.values[node]
        if isinstance(value, str):
            raise ParameterError(value)
        if isinstance(value, Applied):
            raise ParameterError(f"{node} must have a quantizer, but is left in float")
        return value

    def _stored(self, node: Node) -> Stored:
        value = self._value(node)
        if isinstance(value, Wide):
            raise ParameterError(f"{node} must have a quantizer, but is left as a wide sum")
        return value

    def _sum(self, node: Node) -> Wide:
        """The value of ``node`` as a sum to go on with."""
        value = self._value(node)
        if isinstance(value, Wide):
            return value
        return Wide((Term(value, value.scale),), torch.zeros(1, dtype=torch.float64))

    def _input(self, node: Node, op: Op) -> str:
        return "the model's input must be quantized: its first layer is in float"

    def _other(self, node: Node, op: Op) -> str:
        return refusal(node, op.detail)

    def _layer(self, node: Node, op: Op) -> Wide | str:
        path, layer = str(node.target), op.detail
        if not parametrize.is_parametrized(layer, "weight"):
            return f"module {path!r} must be quantized: it is left in float"
        check_layer(path, layer, len(self.seen[op.inputs[0]]))
        product = Product(path, layer, self._stored(op.inputs[0]))
        unit = double(product.weights.scale) * product.source.scale
        if layer.bias is None:
            return Wide((Term(product, unit),), torch.zeros(1, dtype=torch.float64))
        one = torch.ones(1, dtype=torch.float64)
        return Wide((Term(product, unit),), double(layer.bias), (layer.bias, one))

    def _norm(self, node: Node, op: Op) -> Wide | str:
        if op.detail.running_var is None:
            return f"module {node.target!r} must keep running statistics to be folded"
        gain, shift = affine(op.detail)
        one = torch.ones(1, dtype=torch.float64)
        anchor = (op.detail.running_mean, -gain) if op.detail.bias is None else (op.detail.bias, one)
        return self._scaled(node, op, gain, shift, anchor)

    def _affine(self, node: Node, op: Op) -> Wide | str:
        return self._scaled(node, op, op.detail.gain, op.detail.shift, op.detail.anchor)

    def _scaled(
        self, node: Node, op: Op, gain: Tensor, shift: Tensor, anchor: tuple[Tensor, Tensor] | None
    ) -> Wide | str:
        """The value that ``node`` reads, times ``gain``, plus ``shift``."""
        wide = self._sum(op.inputs[0])
        if (wide.low, wide.high) != (-math.inf, math.inf):
            return f"{place_of(node)} must take a tensor that is stored, not a sum that is clipped"
        scaled = _times(wide, gain)
        each = anchor and len(anchor[0]) == self.seen[node][1]  # one number for all cannot move each channel
        return replace(scaled, offset=scaled.offset + shift, anchor=anchor if each else scaled.anchor)

    def _clamp(self, node: Node, op: Op) -> Wide | Stored:
        value, (low, high) = self._value(op.inputs[0]), op.detail
        idle = node.meta.get(IDLE) or (isinstance(value, Stored) and not value.format.signed)
        if isinstance(value, Stored) and (low, high) == (0.0, math.inf) and idle:
            return value
        wide = self._sum(op.inputs[0])
        return replace(wide, low=min(max(wide.low, low), high), high=max(min(wide.high, high), low))

    def _add(self, node: Node, op: Op) -> Wide:
        one, two = (
            wide if factor == 1 else _times(wide, torch.full((1,), factor, dtype=torch.float64))
            for wide, factor in zip(map(self._sum, op.inputs), op.detail, strict=True)
        )
        return Wide((*one.terms, *two.terms), one.offset + two.offset, one.anchor or two.anchor)

    def _concat(self, node: Node, op: Op) -> Wide:
        sources = tuple(self._stored(source) for source in op.inputs)
        units = [stored.scale.expand(self.seen[node][1]) for stored, node in zip(sources, op.inputs, strict=True)]
        return Wide((Term(Joined(sources), torch.cat(units)),), torch.zeros(1, dtype=torch.float64))

    def _mean(self, node: Node, op: Op) -> Wide:
        source, (window, divisor) = self._stored(op.inputs[0]), op.detail
        unit = source.scale / divisor
        return Wide((Term(WindowSum(source, window), unit),), torch.zeros(1, dtype=torch.float64))

    def _gain(self, node: Node, op: Op) -> Wide:
        wide = _times(self._sum(op.inputs[0]), double(op.detail.factor))
        return replace(wide, terms=tuple(replace(term, gain=op.detail) for term in wide.terms))

    def _table(self, node: Node, op: Op) -> Applied:
        return Applied(self._stored(op.inputs[0]), op.detail, node)

    def _quantize(self, node: Node, op: Op) -> SumStep | TableStep | Stored:
        quantizer: ActivationQuantizer = op.detail
        source = op.inputs[0]
        value = self.values.get(source)
        applied = value if isinstance(value, Applied) else None
        wide = None if applied or source.op == "placeholder" else self._sum(source)
        name = INPUT if source.op == "placeholder" else self._name(node, wide)
        target = Stored(name, double(quantizer.scale), quantizer.format, node, quantizer.multipliers)
        if applied:
            return checked(TableStep(target, applied, quantizer))
        return SumStep(target, wide, quantizer) if wide else target

    def _name(self, node: Node, wide: Wide | None) -> str:
        """The layer's path where a layer is called, else the tensor's name."""
        terms = wide.terms if wide else ()
        products = [term.operand for term in terms if isinstance(term.operand, Product)]
        return products[0].path if products else str(node.target).rsplit(".", 1)[-1]

    def _narrow(self, node: Node, op: Op) -> NarrowStep:
        source, narrowing = self._stored(op.inputs[0]), op.detail
        shift = int(narrowing.shift)
        target = replace(source, name=_tensor_name(node), node=node, format=narrowing.format)
        return NarrowStep(replace(target, scale=source.scale * 2.0**shift), source, shift)

    def _max(self, node: Node, op: Op) -> MaxStep:
        source = self._stored(op.inputs[0])
        return MaxStep(replace(source, name=_tensor_name(node), node=node), source, op.detail)

    def _move(self, node: Node, op: Op) -> MoveStep:
        source = self._stored(op.inputs[0])
        return MoveStep(replace(source, name=_tensor_name(node), node=node), source, *op.detail)

    def _append(self, node: Node, op: Op) -> AppendStep | str:
        sources = tuple(self._stored(source) for source in op.inputs)
        first = sources[0]
        if any((other.format, other.scale) != (first.format, first.scale) for other in sources):
            return f"{place_of(node)} must join rows or columns of tensors of one scale, not of the input and others"
        return AppendStep(replace(first, name=_tensor_name(node), node=node), sources, op.detail)

    def _same(self, node: Node, op: Op) -> Stored | Wide | Applied | str:
        return self.values[op.inputs[0]]

    def _output(self, node: Node, op: Op) -> Output:
        if len(op.inputs) != 1 or node.args[0] is not op.inputs[0]:
            raise ParameterError("the model must return one tensor")
        return Output(self._value(op.inputs[0]), op.inputs[0])


def _times(wide: Wide, factor: Tensor) -> Wide:
    """``wide``, which nothing clips, times ``factor``."""
    terms = tuple(replace(term, unit=term.unit * factor) for term in wide.terms)
    anchor = wide.anchor and (wide.anchor[0], wide.anchor[1] * factor)
    return Wide(terms, wide.offset * factor, anchor)


def _tensor_name(node: Node) -> str:
    """What the result of a step without a layer is called."""
    return str(node.target).removeprefix("asm.") if node.op == "call_module" else node.name
