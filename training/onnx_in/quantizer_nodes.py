"""Quantizers of tensors as modules, for as long as the module is compared with its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir

from .file_quantizers import MARK, NARROW, FileQuantizer, Quantized
from .module_builder import Builder, Refused, Value


def quantize(builder: Builder, node: ir.Node) -> Value:
    """A QuantizeLinear: the DequantizeLinear that reads it does both."""
    value, scale, zero = builder.value(node), builder.constant(node, 1), builder.constant(node, 2)
    kind = node.outputs[0].dtype if zero is None else ir.DataType.from_numpy(zero.dtype)
    if kind is None or not kind.is_integer():
        raise Refused("it must give integers")
    bits, signed = int(kind.bitwidth), kind.is_signed()
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    zero = np.zeros(()) if zero is None else zero.astype(np.float64)
    shape = [1] * len(value.shape)
    if scale.size > 1:
        axis = node.attributes.get_int("axis", 1) % len(shape)
        shape[value.order[axis]] = scale.size
        if scale.ndim != 1 or scale.size != value.file_shape[axis]:
            raise Refused("its scale must be one number, or one for each channel")
    scale, zero = (np.asarray(one, np.float64).reshape(shape if one.size > 1 else ()) for one in (scale, zero))
    return replace(value, quantized=Quantized(scale, zero, low, high))


def dequantize(builder: Builder, node: ir.Node) -> Value:
    value = builder.value(node, integers=True)
    own, scale, zero = value.quantized, builder.constant(node, 1), builder.constant(node, 2)
    noted = node.meta.get(MARK)
    if isinstance(noted, str):
        raise Refused(noted)
    if own is None or not (np.array_equal(np.ravel(own.scale), scale.ravel()) and _same_zero(own.zero, zero)):
        raise Refused("it must follow a QuantizeLinear of the same scale and zero point")
    quantized = noted or own
    value = replace(value, quantized=None)
    if value.columns is not None and quantized.scale.size > 1:
        raise Refused("features that were flattened must have one scale")
    if quantized.scale.size > 1 and quantized.bits < NARROW:
        raise Refused(
            f"of fewer than {NARROW} bits it must have one scale: it clips each channel to a range of its own"
        )
    if len(set(quantized.zero.ravel().tolist())) > 1:
        raise Refused("its zero point must be the same for all channels")
    module = FileQuantizer(quantized, str(node.outputs[0].name))
    module.clips = value.node.op != "placeholder" and (
        quantized.bits < NARROW or (quantized.bounds[0] == 0 and not value.positive) or quantized.bounds[1] == 0
    )
    found = builder.module(node, module, value)
    return replace(found, positive=quantized.bounds[0] >= 0 or value.positive)


def _same_zero(own: np.ndarray, zero: Any) -> bool:
    return bool(np.array_equal(np.ravel(own), np.zeros(own.size) if zero is None else zero.ravel()))


QUANTIZER_NODES: dict[str, Callable[[Builder, ir.Node], Value]] = {
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
}
