"""Nodes of ONNX that compute each number by itself, or from the number at the same place of another tensor."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
from torch import nn

from .module_builder import Builder, Refused, Value, tensor_of

ARITHMETIC = {"Add": operator.add, "Sub": operator.sub, "Mul": operator.mul, "Div": operator.truediv}
BOTH = ("Add", "Mul")
LAYERS = ("Conv", "Gemm", "MatMul")
"""Nodes whose layer has a bias."""
PRODUCT = "a product of two tensors would need a multiplier"
FLOAT = 1
"""Number of float32 among the types of ONNX."""


def _alpha(default: float, kind: Callable[[float], nn.Module]) -> Callable[[ir.Node], nn.Module]:
    return lambda node: kind(node.attributes.get_float("alpha", default))


def _hard_sigmoid(node: ir.Node) -> nn.Module:
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    if not math.isclose(alpha, 1 / 6, rel_tol=1e-6) or beta != 0.5:
        raise Refused(f"alpha must be 1/6 and beta 0.5, as in PyTorch, not {alpha:g} and {beta:g}")
    return nn.Hardsigmoid()


def _dropout(node: ir.Node) -> nn.Module:
    return nn.Dropout(node.attributes.get_float("ratio", 0.5))


ACTIVATIONS: dict[str, Callable[[ir.Node], nn.Module]] = {
    "Relu": lambda node: nn.ReLU(),
    "LeakyRelu": _alpha(0.01, nn.LeakyReLU),
    "Elu": _alpha(1.0, nn.ELU),
    "Celu": _alpha(1.0, nn.CELU),
    "Sigmoid": lambda node: nn.Sigmoid(),
    "Tanh": lambda node: nn.Tanh(),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda node: nn.Hardswish(),
    "Gelu": lambda node: nn.GELU(node.attributes.get_string("approximate", "none")),
    "Softplus": lambda node: nn.Softplus(),
    "Softsign": lambda node: nn.Softsign(),
    "Mish": lambda node: nn.Mish(),
}
POSITIVE = ("Relu", "Sigmoid", "HardSigmoid", "Softplus")


def activation(builder: Builder, node: ir.Node) -> Value:
    found = builder.module(node, ACTIVATIONS[node.op_type](node), builder.value(node))
    return replace(found, positive=node.op_type in POSITIVE)


def prelu(builder: Builder, node: ir.Node) -> Value:
    value, slope = builder.plain(builder.value(node)), builder.constant(node, 1)
    wanted = (value.shape[1], *[1] * (len(value.shape) - 2))
    if slope.size != 1 and tuple(slope.shape) not in (wanted, (1, *wanted)):
        raise Refused(f"its slope must be one number, or one for each channel {list(wanted)}, not {list(slope.shape)}")
    module = nn.PReLU(slope.size)
    module.weight = nn.Parameter(tensor_of(slope.reshape(-1)))
    return builder.module(node, module, value)


def softmax(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node)
    kind = nn.Softmax if node.op_type == "Softmax" else nn.LogSoftmax
    place = value.order[node.attributes.get_int("axis", -1) % len(value.shape)]
    if place == 0:
        raise Refused("axis must not be 0: it is that of the batch")
    return builder.module(node, kind(dim=place), value)


def clip(builder: Builder, node: ir.Node) -> Value:
    limits = [builder.constant(node, index) for index in (1, 2)]
    bounds = ((limits[0], "min", -math.inf), (limits[1], "max", math.inf))
    low, high = (_limit(node, limit, name, default) for limit, name, default in bounds)
    return _clipped(builder, node, builder.value(node), low, high)


def extremum(builder: Builder, node: ir.Node) -> Value:
    """A Max or Min of one tensor and any count of numbers."""
    places = [place for place in range(len(node.inputs)) if builder.is_value(node, place)]
    if len(places) != 1:
        raise Refused("it must be of one tensor and numbers: tensors are not compared with each other here")
    others = (builder.constant(node, place) for place in range(len(node.inputs)) if place not in places)
    numbers = [_limit(node, number, "", math.nan) for number in others]
    low, high = (
        (max(numbers, default=-math.inf), math.inf)
        if node.op_type == "Max"
        else (-math.inf, min(numbers, default=math.inf))
    )
    return _clipped(builder, node, builder.value(node, places[0]), low, high)


def _clipped(builder: Builder, node: ir.Node, value: Value, low: float, high: float) -> Value:
    if low >= high:
        raise Refused(f"its lower limit must be below its upper one, not {low:g} and {high:g}")
    kinds: dict[tuple[float, float], nn.Module] = {(0.0, math.inf): nn.ReLU(), (0.0, 6.0): nn.ReLU6()}
    found = builder.module(node, kinds.get((low, high), nn.Hardtanh(low, high)), value)
    return replace(found, positive=low >= 0)


def _limit(node: ir.Node, given: Any, name: str, default: float) -> float:
    if given is not None and given.size != 1:
        raise Refused("its limits must be numbers")
    return node.attributes.get_float(name, default) if given is None else float(given.reshape(-1)[0])


def arithmetic(builder: Builder, node: ir.Node) -> Value:
    """A sum, difference, product or quotient: of two tensors, or with a constant."""
    values = [builder.is_value(node, index) for index in (0, 1)]
    if all(values):
        return _of_two(builder, node)
    value = builder.value(node, int(values[1]))
    constant = builder.constant(node, int(values[0]))
    if node.op_type == "Div" and values[1]:
        raise Refused("a constant divided by a tensor has no form that a multiplier-less network computes")
    fused = _as_bias(builder, node, value, constant)
    if fused is not None:
        return fused
    if constant.size == 1 and constant.ndim <= len(value.shape):
        operand: Any = float(constant.reshape(-1)[0])
    else:
        operand = builder.buffer(node, _in_module_order(value, constant))
    operands = (value.node, operand) if values[0] else (operand, value.node)
    return replace(value, node=builder.graph.call_function(ARITHMETIC[node.op_type], operands), positive=False)


def _in_module_order(value: Value, constant: np.ndarray) -> np.ndarray:
    """``constant``, which broadcasts against the file's tensor, so that it does against the module's."""
    if constant.ndim > len(value.shape) or np.broadcast_shapes(constant.shape, value.file_shape) != value.file_shape:
        raise Refused(f"a constant {list(constant.shape)} must broadcast to a tensor {list(value.file_shape)}")
    full = constant.reshape((1,) * (len(value.shape) - constant.ndim) + constant.shape)
    if full.shape[0] != 1:
        raise Refused("a constant must be the same for every input of a batch")
    if value.columns is not None and full.shape[1] != 1:
        moved = np.empty_like(full)
        moved[:, value.columns] = full
        full = moved
    return np.transpose(full, np.argsort(value.order))


def _as_bias(builder: Builder, node: ir.Node, value: Value, constant: np.ndarray) -> Value | None:
    """``value`` with ``constant`` as the bias of its layer, if that has none and nothing else reads it; else None."""
    layer = builder.root.get_submodule(str(value.node.target)) if value.node.op == "call_module" else None
    alone = builder.alone(node, 0 if builder.is_value(node, 0) else 1, LAYERS)
    if node.op_type != "Add" or not alone or not isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
        return None
    full = _in_module_order(value, constant)
    outputs = value.shape[1]
    plain = len(value.shape) == 2 or isinstance(layer, nn.Conv1d | nn.Conv2d)
    if layer.bias is not None or not plain or full.size not in (1, outputs) or full.shape[1] != full.size:
        return None
    layer.bias = nn.Parameter(tensor_of(np.broadcast_to(full.reshape(-1), (outputs,))))
    return value


def _of_two(builder: Builder, node: ir.Node) -> Value:
    one, two = builder.value(node, 0), builder.value(node, 1)
    if node.op_type in ("Mul", "Div"):
        return _gate(builder, node, one, two)
    if one.file_shape != two.file_shape:
        raise Refused(f"both tensors must have the same sizes, not {list(one.file_shape)} and {list(two.file_shape)}")
    if not _alike(one, two):
        one, two = builder.plain(one), builder.plain(two)
    made = builder.graph.call_function(ARITHMETIC[node.op_type], (one.node, two.node))
    return replace(one, node=made, positive=node.op_type == "Add" and one.positive and two.positive)


def _alike(one: Value, two: Value) -> bool:
    """Whether both are in the same order, so that the module has in one place what the file has in one place."""
    return one.order == two.order and np.array_equal(one.columns, two.columns)  # type: ignore[arg-type]


def _gate(builder: Builder, node: ir.Node, one: Value, two: Value) -> Value:
    """``x * sigmoid(x)`` as the activation function that it is; `Refused` for other products."""
    for value, gate in ((one, two), (two, one)):
        made = gate.node
        kind = builder.root.get_submodule(str(made.target)) if made.op == "call_module" else None
        gates = node.op_type == "Mul" and isinstance(kind, nn.Sigmoid | nn.Hardsigmoid)
        if gates and made.args[0] is value.node and _alike(value, gate):
            module = nn.SiLU() if isinstance(kind, nn.Sigmoid) else nn.Hardswish()
            found = builder.module(node, module, value)
            if not made.users:
                builder.graph.erase_node(made)
            return found
    raise Refused(PRODUCT)


def total(builder: Builder, node: ir.Node) -> Value:
    """A Sum of tensors alike."""
    parts = [builder.value(node, index) for index in range(len(node.inputs))]
    if len({part.file_shape for part in parts}) > 1:
        raise Refused("its inputs must be tensors of the same sizes")
    if not all(_alike(parts[0], part) for part in parts):
        parts = [builder.plain(part) for part in parts]
    first, *rest = parts
    for value in rest:
        made = builder.graph.call_function(operator.add, (first.node, value.node))
        first = replace(first, node=made, positive=first.positive and value.positive)
    return first


def negate(builder: Builder, node: ir.Node) -> Value:
    return builder.call(operator.neg, builder.value(node))


def same(builder: Builder, node: ir.Node) -> Value:
    """An Identity, or a Cast of float32 to float32."""
    if node.op_type == "Cast" and node.attributes.get_int("to", 0) != FLOAT:
        raise Refused("it must be to float32: tensors between layers have no other type here")
    return builder.value(node)


def dropout(builder: Builder, node: ir.Node) -> Value:
    value, share, training = builder.value(node), builder.constant(node, 1), builder.constant(node, 2)
    if training is not None and bool(training.any()):
        raise Refused("training_mode must be off: export the model in evaluation mode")
    ratio = float(node.attributes.get_float("ratio", 0.5) if share is None else share.reshape(-1)[0])
    return replace(builder.module(node, nn.Dropout(ratio), value), positive=value.positive)


POINTWISE_NODES: dict[str, Callable[[Builder, ir.Node], Value]] = {
    **dict.fromkeys(ACTIVATIONS, activation),
    **dict.fromkeys(ARITHMETIC, arithmetic),
    "Clip": clip,
    **dict.fromkeys(("Min", "Max"), extremum),
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    **dict.fromkeys(("Identity", "Cast"), same),
    "PRelu": prelu,
    "Sum": total,
    "Neg": negate,
    "Dropout": dropout,
}
