"""Quantizers that an ONNX file holds: QuantizeLinear and DequantizeLinear, and those of QONNX.

Of constants they are computed. Of tensors they become `FileQuantizer`: the model with them is compared with the file,
then they are taken out, and what is left says which scale the tensor had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnx.reference.ops import load_op
from torch import Tensor, nn

from asm_hw.errors import ParameterError

from .onnx_file import QONNX_DOMAINS

STANDARD = ("QuantizeLinear", "DequantizeLinear")
MARK = "asm_hw.quantizer"
"""Key of a node's notes under which the quantizer of a tensor is, after `standard_quantizers`."""
EVALUATED = 19
"""The first version of both that onnx's evaluator has; what older files can hold is the same there."""
NARROW = 8
"""Quantizers of fewer bits clip what a network was trained with; wider ones hold the range that was calibrated."""
ROUNDINGS = {"ROUND": torch.round, "HALF_EVEN": torch.round, "FLOOR": torch.floor, "CEIL": torch.ceil}


@dataclass(frozen=True, eq=False)
class Quantized:
    """``(clip(round(x / scale + zero), low, high) - zero) * scale``; scale and zero broadcast against the tensor."""

    scale: np.ndarray
    zero: np.ndarray
    low: int
    high: int
    rounding: str = "ROUND"

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value over all channels."""
        low, high = ((bound - self.zero) * self.scale for bound in (self.low, self.high))
        return float(low.min()), float(high.max())

    @property
    def bits(self) -> int:
        """Of its integers."""
        return (self.high - self.low).bit_length()


class FileQuantizer(nn.Module):
    """A quantizer as the file has it; float32 [n, ...] of any shape. ``source``: the name of its result there."""

    def __init__(self, quantized: Quantized, source: str) -> None:
        super().__init__()
        self.quantized, self.source = quantized, source
        self.clips = False
        self.register_buffer("step", torch.tensor(quantized.scale, dtype=torch.float32))
        self.register_buffer("zero", torch.tensor(quantized.zero, dtype=torch.float32))

    step: Tensor
    zero: Tensor

    def forward(self, values: Tensor) -> Tensor:
        own = self.quantized
        rounded = ROUNDINGS[own.rounding](values / self.step) + self.zero
        return (rounded.clamp(own.low, own.high) - self.zero) * self.step


def is_qonnx(node: ir.Node) -> bool:
    """Whether ``node`` is a quantizer of QONNX."""
    return node.domain in QONNX_DOMAINS


def fold_quantized_constants(model: ir.Model) -> None:
    """Compute every quantizer of a constant; in place. Others stay."""
    for node in list(model.graph):
        quantizer = is_qonnx(node) or (node.op_type in STANDARD and node.domain == "")
        values = [None if value is None else value.const_value for value in node.inputs]
        if not quantizer or any(v is None and i is not None for v, i in zip(values, node.inputs, strict=True)):
            continue
        arrays = [None if value is None else value.numpy() for value in values]
        found = _qonnx_result(node, arrays) if is_qonnx(node) else _standard_result(node, arrays, model)
        if found is not None:
            _replace_by_constant(model, node, found)


def _checked_size(arrays: list[Any]) -> None:
    """Raise `ParameterError` for constants that would broadcast to more numbers than the first of them has."""
    shapes = [array.shape for array in arrays if array is not None and array.size > 1]
    try:
        same = np.broadcast_shapes(arrays[0].shape, *shapes) == arrays[0].shape
    except ValueError:
        same = False
    if not same:
        raise ParameterError(
            f"scale and zero point of a quantizer must fit a constant of sizes {list(arrays[0].shape)}"
        )


def _standard_result(node: ir.Node, arrays: list[Any], model: ir.Model) -> np.ndarray | None:
    """What the reference evaluator of onnx computes for a QuantizeLinear or DequantizeLinear."""
    operator = load_op("", node.op_type, max(EVALUATED, model.opset_imports[""]))
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    return np.asarray(operator.eval(*arrays, **attributes))


def _qonnx_result(node: ir.Node, arrays: list[Any]) -> np.ndarray | None:
    """What qonnx computes for a quantizer; None for one that it has no plain function for."""
    try:
        from qonnx.custom_op.general.bipolar_quant import binary_quant
        from qonnx.custom_op.general.intquant import int_quant
    except ModuleNotFoundError:
        raise ParameterError("module 'qonnx' must be installed to read QONNX: pip install 'asm-hw[onnx]'") from None
    _checked_size(arrays)
    if node.op_type == "BipolarQuant":
        return np.asarray(binary_quant(*arrays), np.float32)
    if node.op_type not in ("Quant", "IntQuant"):
        return None
    signed, narrow = (node.attributes.get_int(name, default) for name, default in (("signed", 1), ("narrow", 0)))
    mode = node.attributes.get_string("rounding_mode", "ROUND")
    return np.asarray(int_quant(*arrays, signed, narrow, mode), np.float32)


def _replace_by_constant(model: ir.Model, node: ir.Node, array: np.ndarray) -> None:
    old = node.outputs[0]
    name, source = f"{old.name}_value", node.inputs[0]
    if source is not None and source.name and source.is_initializer() and len(source.uses()) == 1:
        model.graph.initializers.pop(source.name, None)
        name = source.name.removesuffix("_quantized")  # as onnxruntime names what it quantizes
    while name in model.graph.initializers:
        name += "_value"
    _add_constant(model, name, array)
    new = model.graph.initializers[name]
    old.replace_all_uses_with(new)
    model.graph.remove(node, safe=True)


def _add_constant(model: ir.Model, name: str, array: np.ndarray) -> None:
    tensor = ir.tensor(np.array(array, order="C"), name=name)
    value = ir.Value(name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype))
    model.graph.initializers[name] = value


def standard_quantizers(model: ir.Model) -> None:
    """Put QuantizeLinear and DequantizeLinear, with a note, where QONNX quantizes a tensor; in place.

    Libraries know the shapes of these.
    """
    for node in list(model.graph):
        if node.op_type not in ("Quant", "IntQuant") or not is_qonnx(node):
            continue
        one = f"{node.outputs[0].name}_one"
        _add_constant(model, one, np.asarray(1, np.float32))
        scale = model.graph.initializers[one]
        first = ir.node("QuantizeLinear", [node.inputs[0], scale], name=f"{node.name}_integers")
        second = ir.node("DequantizeLinear", [first.outputs[0], scale], name=node.name)
        second.meta[MARK] = _qonnx_quantizer(node)
        model.graph.insert_before(node, [first, second])
        ir.convenience.replace_all_uses_with(node.outputs[0], second.outputs[0], replace_graph_outputs=True)
        name = node.outputs[0].name
        model.graph.remove(node)
        second.outputs[0].name = name


def _qonnx_quantizer(node: ir.Node) -> Quantized | str:
    """The quantizer of a tensor; why it cannot be taken, if it cannot."""
    arrays = [
        None if value is None or value.const_value is None else value.const_value.numpy() for value in node.inputs
    ]
    if any(array is None for array in arrays[1:]) or len(arrays) < 4:
        return "its scale, zero point and bits must be constants"
    scale, zero, bits = (np.asarray(array, np.float64) for array in arrays[1:4])
    if bits.size != 1 or not 1 <= float(bits.item()) <= 24 or float(bits.item()) % 1:
        return f"its bits must be a whole number from 1 to 24, not {bits.ravel()[:1].tolist()}"
    signed, narrow = (node.attributes.get_int(name, default) for name, default in (("signed", 1), ("narrow", 0)))
    mode = node.attributes.get_string("rounding_mode", "ROUND")
    if mode not in ROUNDINGS or (scale <= 0).any() or (zero % 1).any():
        return "its scale must be above 0, its zero point whole, and its rounding one of " + ", ".join(ROUNDINGS)
    size = 1 << int(bits.item())
    low, high = (-size // 2 + bool(narrow), size // 2 - 1) if signed else (0, size - 1 - bool(narrow))
    if low >= high:
        return f"its {int(bits.item())} bits must be more than one value, and narrow leaves only that"
    return Quantized(scale, zero, low, high, mode)
