"""onnxruntime as the judge: every integer that it gives, beside the golden model's."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork

FLOAT = "tensor(float)"


@dataclass
class Comparison:
    """What running a model has shown so far."""

    images: int = 0
    compared: int = 0
    mismatches: int = 0
    first_difference: dict[str, Any] | None = None
    seconds: float = field(default=0.0)
    """Spent in onnxruntime."""

    def to_json(self) -> dict[str, Any]:
        """What ``asm-hw onnx --json`` prints."""
        return {
            "images": self.images,
            "compared": self.compared,
            "mismatches": self.mismatches,
            "first_difference": self.first_difference,
            "images_per_second": round(self.images / self.seconds, 3) if self.seconds else None,
        }


def compare_with_onnxruntime(model: bytes, network: IntegerNetwork, x: Tensor) -> Comparison:
    """Run a model of ``network``, as `onnx_model` makes it, on integer inputs ``x`` [n, *input_shape].

    Each output is compared with golden: all stored tensors where the model gives them, else the result. A model of real
    inputs gets ``x`` times the input's scale. Raises `ParameterError` for a model of another network.
    """
    session = _session(model)
    (taken,) = session.get_inputs()
    names = [layer.name for layer in network.layers]
    outputs = session.get_outputs()
    if len(outputs) not in (1, len(names)) or tuple(taken.shape[1:]) != network.input_shape:
        raise ParameterError(f"ONNX model must be of this network, not one with inputs of {tuple(taken.shape[1:])}")
    found = Comparison()
    shown = names[-len(outputs) :]
    for part in x.split(
        network.chunk if len(shown) == 1 else max(1, network.chunk // 4)
    ):  # all tensors of an image may be large
        given = part.numpy()
        if taken.type == FLOAT:
            values = part.to(torch.float32) * network.input_scale
            given, part = values.numpy(), network.quantize_input(values)
        begin = perf_counter()
        results = session.run(None, {taken.name: given.astype(_ARRAYS[taken.type])})
        found.seconds += perf_counter() - begin
        tensors = network.tensors(part) if len(shown) > 1 else {shown[0]: network(part)}
        for name, output, result in zip(shown, outputs, results, strict=True):
            real = output.type == FLOAT
            _judge(found, name, result, tensors[name] * network.output_scale if real else tensors[name])
        found.images += len(part)
    return found


_ARRAYS = {
    FLOAT: np.float32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
"""Types of inputs as onnxruntime names them."""


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: notes on its own optimization are of no use here
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _judge(found: Comparison, name: str, result: np.ndarray, expected: Tensor) -> None:
    golden = expected.numpy()
    found.compared += golden.size
    if result.shape != golden.shape:
        raise ParameterError(f"ONNX model must give layer {name!r} in shape {golden.shape}, not {result.shape}")
    wrong = np.argwhere(result != golden)
    found.mismatches += len(wrong)
    if len(wrong) and found.first_difference is None:
        image, *place = wrong[0].tolist()
        found.first_difference = {
            "image": found.images + image,
            "layer": name,
            "index": place,
            "onnxruntime": result[image][tuple(place)].item(),
            "golden": golden[image][tuple(place)].item(),
        }
