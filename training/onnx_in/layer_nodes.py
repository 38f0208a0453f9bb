"""Nodes of ONNX that become layers: convolutions, matrix products, norms and pools."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from .module_builder import Builder, Refused, Value, tensor_of

CONVS = {3: nn.Conv1d, 4: nn.Conv2d}
MAX_POOLS = {3: nn.MaxPool1d, 4: nn.MaxPool2d}
AVG_POOLS = {3: nn.AvgPool1d, 4: nn.AvgPool2d}
GLOBAL: dict[str, dict[int, Any]] = {
    "GlobalAveragePool": {3: nn.AdaptiveAvgPool1d, 4: nn.AdaptiveAvgPool2d},
    "GlobalMaxPool": {3: nn.AdaptiveMaxPool1d, 4: nn.AdaptiveMaxPool2d},
}
Window = tuple[list[int], list[int], list[int], list[int], list[int]]
"""Kernel, stride, dilation, pads before and pads after, for each spatial size."""


def _sizes(node: ir.Node, name: str, default: list[int] | None) -> list[int]:
    attribute = node.attributes.get(name)
    if attribute is None and default is None:
        raise Refused(f"attribute {name} must be given")
    found = default if attribute is None else [int(size) for size in attribute.as_ints()]
    return list(found or [])


def window_of(node: ir.Node, value: Value, kernel: list[int]) -> Window:
    """The window that ``node`` moves over the spatial sizes of ``value``, `auto_pad` worked out."""
    count = len(value.shape) - 2
    stride, dilation = (_sizes(node, name, [1] * count) for name in ("strides", "dilations"))
    pads = _sizes(node, "pads", [0] * 2 * count)
    if {len(kernel), len(stride), len(dilation), len(pads) // 2} != {count} or len(pads) % 2:
        raise Refused(f"its kernel, strides, dilations and pads must be of {count} sizes, as its input is")
    if min(*kernel, *stride, *dilation) < 1 or min(pads) < 0:
        raise Refused("kernel, strides and dilations must be at least 1, and pads at least 0")
    before, after = pads[:count], pads[count:]
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        sizes = zip(value.shape[2:], kernel, stride, dilation, strict=True)
        total = [max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size) for size, k, s, d in sizes]
        small, large = [size // 2 for size in total], [size - size // 2 for size in total]
        before, after = (small, large) if auto == "SAME_UPPER" else (large, small)
    elif auto == "VALID":
        before, after = [0] * count, [0] * count
    elif auto != "NOTSET":
        raise Refused(f"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {auto}")
    return kernel, stride, dilation, before, after


def _padded(builder: Builder, node: ir.Node, value: Value, before: list[int], after: list[int], by: float) -> Value:
    """``value`` with a frame of ``by``, as a module of its own."""
    sides: Any = tuple(side for pair in zip(reversed(before), reversed(after), strict=True) for side in pair)
    if len(before) == 1:
        return builder.module(node, nn.ConstantPad1d(sides, by), value)
    return builder.module(node, nn.ConstantPad2d(sides, by) if by else nn.ZeroPad2d(sides), value)


def conv(builder: Builder, node: ir.Node) -> Value:
    value = builder.plain(builder.value(node))
    weight, bias = builder.constant(node, 1), builder.constant(node, 2)
    kind = CONVS.get(len(value.shape))
    if kind is None or weight.ndim != len(value.shape):
        raise Refused(f"it must be one- or two-dimensional, not of an input with {len(value.shape)} sizes")
    kernel, stride, dilation, before, after = window_of(node, value, list(weight.shape[2:]))
    if _sizes(node, "kernel_shape", kernel) != kernel:
        raise Refused(f"kernel_shape must be {kernel}, as its weight has it")
    groups = node.attributes.get_int("group", 1)
    outputs, inputs = weight.shape[0], weight.shape[1] * groups
    if groups < 1 or outputs % groups or inputs != value.shape[1] or (bias is not None and bias.shape != (outputs,)):
        raise Refused(f"weight {list(weight.shape)} and group {groups} do not fit {value.shape[1]} channels")
    if before != after:
        value, before = _padded(builder, node, value, before, after, 0.0), [0] * len(kernel)
    # PyTorch's types know pairs and single numbers by their length.
    how: dict[str, Any] = {"stride": tuple(stride), "padding": tuple(before), "dilation": tuple(dilation)}
    layer = kind(inputs, outputs, tuple(kernel), groups=groups, bias=bias is not None, **how)  # type: ignore[arg-type]
    return builder.module(node, _with(layer, weight, bias), value, weight=1)


def _with(layer: Any, weight: np.ndarray, bias: np.ndarray | None) -> nn.Module:
    layer.weight = nn.Parameter(tensor_of(weight))
    if bias is not None:
        layer.bias = nn.Parameter(tensor_of(bias))
    return layer  # type: ignore[no-any-return]


def gemm(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node)
    alpha, beta = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
    if node.attributes.get_int("transA", 0):
        raise Refused("transA must be 0: it mixes inputs of a batch")
    weight, bias = builder.constant(node, 1), builder.constant(node, 2)
    weight = weight if node.attributes.get_int("transB", 0) else weight.T
    weight = weight if alpha == 1 else weight * np.float32(alpha)
    if bias is not None:
        bias = bias if beta == 1 else bias * np.float32(beta)
        if bias.size != 1 and bias.shape not in ((len(weight),), (1, len(weight))):
            raise Refused(f"its third input must be a number for each of {len(weight)} outputs, not {list(bias.shape)}")
        bias = np.broadcast_to(bias.reshape(-1), (len(weight),))
    return _linear(builder, node, value, weight, bias)


def matmul(builder: Builder, node: ir.Node) -> Value:
    if builder.is_value(node, 0) and builder.is_value(node, 1):
        raise Refused("a product of two tensors would need a multiplier")
    value, weight = builder.value(node), builder.constant(node, 1)
    if weight.ndim != 2:
        raise Refused(f"its second input must be a matrix, not of {weight.ndim} sizes")
    return _linear(builder, node, value, weight.T, None)


def _linear(builder: Builder, node: ir.Node, value: Value, weight: np.ndarray, bias: np.ndarray | None) -> Value:
    """A Linear of ``weight`` [out, in], whose columns move to where the module has the features."""
    if value.columns is not None:
        moved = np.empty_like(weight)
        if weight.shape[1] != len(value.columns):
            raise Refused(f"its weight must take {len(value.columns)} features, not {weight.shape[1]}")
        moved[:, value.columns] = weight
        weight, value = moved, replace(value, columns=None)
    value = builder.plain(value)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return builder.module(node, _with(layer, weight, bias), value, weight=1)


def batch_norm(builder: Builder, node: ir.Node) -> Value:
    value = builder.plain(builder.value(node))
    scale, shift, mean, variance = (builder.constant(node, index) for index in range(1, 5))
    if node.attributes.get_int("training_mode", 0):
        raise Refused("training_mode must be 0: export the model in evaluation mode")
    channels = value.shape[1]
    if any(one.shape != (channels,) for one in (scale, shift, mean, variance)) or (variance < 0).any():
        raise Refused(f"its constants must be a number for each of {channels} channels, variances not below 0")
    kind = nn.BatchNorm2d if len(value.shape) == 4 else nn.BatchNorm1d
    norm = kind(channels, eps=node.attributes.get_float("epsilon", 1e-5))
    momentum = node.attributes.get_float("momentum", 0.9)
    norm.momentum = round(1 - momentum, 6)  # of the new batch in PyTorch, of the old mean in ONNX
    norm.weight, norm.bias = nn.Parameter(tensor_of(scale)), nn.Parameter(tensor_of(shift))
    norm.running_mean, norm.running_var = tensor_of(mean), tensor_of(variance)
    return builder.module(node, norm, value, weight=1)


def max_pool(builder: Builder, node: ir.Node) -> Value:
    source = builder.plain(builder.value(node))
    kind = MAX_POOLS.get(len(source.shape))
    indexed = len(node.outputs) > 1 and _used(node, 1)
    if kind is None or indexed or node.attributes.get_int("storage_order", 0) != 0:
        raise Refused("it must be one- or two-dimensional, and give no indices")
    kernel, stride, dilation, before, after = window_of(node, source, _sizes(node, "kernel_shape", None))
    value = source
    if before != after or any(2 * pad > size for pad, size in zip(before, kernel, strict=True)):
        # Below any value of a tensor that is never negative, zeros are as good as the smallest number.
        value = _padded(builder, node, source, before, after, 0.0 if source.positive else -math.inf)
        before = [0] * len(kernel)
    how = {"dilation": tuple(dilation), "ceil_mode": bool(node.attributes.get_int("ceil_mode", 0))}
    found = _pool(builder, node, kind, value, (kernel, stride, before), how)
    return replace(found, positive=source.positive)


def average_pool(builder: Builder, node: ir.Node) -> Value:
    source = builder.plain(builder.value(node))
    kind = AVG_POOLS.get(len(source.shape))
    if kind is None:
        raise Refused(f"it must be one- or two-dimensional, not of an input with {len(source.shape)} sizes")
    kernel, stride, dilation, before, after = window_of(node, source, _sizes(node, "kernel_shape", None))
    counted = bool(node.attributes.get_int("count_include_pad", 0)) or not any(before + after)
    if set(dilation) != {1}:
        raise Refused(f"dilations must be 1, not {dilation}")
    value = source
    if before != after or any(2 * pad > size for pad, size in zip(before, kernel, strict=True)):
        if not counted:
            raise Refused("unlike pads that do not count (count_include_pad 0) have no form in PyTorch")
        value, before = _padded(builder, node, source, before, after, 0.0), [0] * len(kernel)
    how = {"count_include_pad": counted, "ceil_mode": bool(node.attributes.get_int("ceil_mode", 0))}
    return replace(_pool(builder, node, kind, value, (kernel, stride, before), how), positive=source.positive)


def _pool(builder: Builder, node: ir.Node, kind: Any, value: Value, window: tuple, how: dict[str, Any]) -> Value:
    """``kind`` with ``window``, and with ceil_mode only where that changes anything."""
    kernel, stride, pads = (one[0] if len(one) == 1 else tuple(one) for one in window)
    if how["ceil_mode"]:
        spans = [d * (k - 1) + 1 for k, d in zip(window[0], how.get("dilation", (1,) * len(window[0])), strict=True)]
        sizes = zip(value.shape[2:], spans, window[1], window[2], strict=True)
        how["ceil_mode"] = any((size + 2 * p - span) % s for size, span, s, p in sizes)
    if how.get("dilation", (2,)) == (1,) * len(window[0]):
        how.pop("dilation")
    return builder.module(node, kind(kernel, stride, pads, **how), value)


def _used(node: ir.Node, index: int) -> bool:
    value = node.outputs[index]
    return bool(value.uses()) or value.is_graph_output()


def global_pool(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node)
    kind = GLOBAL[node.op_type].get(len(value.shape))
    if kind is None or value.order[:2] != (0, 1):
        raise Refused(f"it must be over the spatial sizes of [n, channels, ...], not of {list(value.file_shape)}")
    return replace(builder.module(node, kind(1), value), positive=value.positive)


def reduce_spatial(builder: Builder, node: ir.Node) -> Value:
    """A mean or maximum over all spatial sizes, whatever order the file has them in."""
    value, kind = builder.value(node), "GlobalAveragePool" if node.op_type == "ReduceMean" else "GlobalMaxPool"
    axes = builder.constant(node, 1)
    own = node.attributes.get("axes")
    given = axes.ravel().tolist() if axes is not None else list(own.as_ints()) if own is not None else None
    rank = len(value.shape)
    places = {value.order[int(axis) % rank] for axis in given} if given else set()
    if rank not in (3, 4) or places != set(range(2, rank)) or value.columns is not None:
        raise Refused("it must be over all spatial sizes, and only those")
    found = builder.module(node, GLOBAL[kind][rank](1), value)
    if not node.attributes.get_int("keepdims", 1):
        found = builder.call(torch.flatten, found, 1)
    return replace(found, positive=value.positive)


LAYER_NODES: dict[str, Callable[[Builder, ir.Node], Value]] = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "ReduceMean": reduce_spatial,
    "ReduceMax": reduce_spatial,
}
