"""An integer network as an ONNX model, which any runtime computes bit for bit as the golden model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper

from asm_hw import __version__, golden
from asm_hw.errors import check_choice
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT
from asm_hw.network.integer_requantize import encode_tensor
from asm_hw.whole_files import whole_file

from .onnx_graph import FLOAT, INT32, INT64, Chain, Integers, OnnxGraph, type_of
from .onnx_nodes import FLOAT_BITS, NodeWriter, stored_integers

OPSET, IR_VERSION = 14, 7
"""The oldest operators that suffice, and the oldest file format that holds them: runtimes since 2021 read both."""
VALUES = ("integers", "real")
"""What a model takes and gives."""
PREFIX = "asm_hw."
"""Begins the keys of the model's metadata."""
BATCH = "batch"
"""The name of the dimension whose size is open."""


def onnx_model(
    network: IntegerNetwork, input: str = "integers", result: str = "integers", all_tensors: bool = False
) -> onnx.ModelProto:
    """``network`` as a model of the default domain's operators, with an open batch; checked.

    ``input``, ``result``: ``integers`` or ``real`` (float32: quantized as `IntegerNetwork.quantize_input` does, and
    multiplied by ``output_scale``). Tensors are called like the nodes of the network that give them. ``all_tensors``:
    every stored tensor is an output, in the order of the network, the result last. Raises `ParameterError`, by the
    layer's name, for what ONNX cannot hold.
    """
    check_choice("input", input, VALUES)
    check_choice("result", result, VALUES)
    graph = OnnxGraph([INPUT, *(layer.name for layer in network.layers)])
    taken = graph.stored(INPUT)
    if input == "real":
        tensors = {INPUT: _quantized(network, graph)}
    else:
        tensors = {INPUT: stored_integers(graph, INPUT, network.formats[INPUT])}
    writer = NodeWriter(network, graph)
    for layer, sources in zip(network.layers, network.sources, strict=True):
        tensors[layer.name] = writer.write(layer, [tensors[source] for source in sources], sources)
    last = network.layers[-1].name
    shown = [layer.name for layer in network.layers] if all_tensors else [last]
    outputs = [_value(tensors[name].name, tensors[name].type, network.shapes[name]) for name in shown]
    if result == "real":
        outputs[-1] = _value(_scaled(network, graph, tensors[last]), FLOAT, network.shapes[last])
    inputs = [_value(taken, FLOAT if input == "real" else type_of(network.formats[INPUT]), network.input_shape)]
    made = helper.make_graph(graph.nodes, "asm_hw", inputs, outputs, graph.initializers)
    model = helper.make_model(
        made,
        producer_name="asm-hw",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, _metadata(network, graph))
    return _checked(model)


def _value(name: str, kind: int, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [BATCH, *shape])


def _quantized(network: IntegerNetwork, graph: OnnxGraph) -> Integers:
    """The integers of real inputs, by the very operations of `IntegerNetwork.quantize_input`, in float32."""
    stored = network.formats[INPUT]
    low, high = stored.binary_range
    name = graph.unique(f"{graph.stored(INPUT)}/integers")
    chain = Chain(graph, graph.stored(INPUT), FLOAT, name)
    chain.with_constant("Mul", "steps", np.float32(1) / np.float32(network.input_scale))
    chain.with_constant("Add", "half", np.float32(golden.half_of(stored.bits)))
    chain.add("Floor")
    chain.clip(low, high)
    if stored.bits > FLOAT_BITS:  # the largest integer is no float: the nearest one may lie above it
        chain.cast(INT64)
        chain.clip(low, high)
    if stored.levels is not None:
        chain.cast(INT32)
        chain.with_constant("Sub", "least", low)
        levels = encode_tensor(stored, torch.arange(low, high + 1))
        chain.look_up(f"{name}/levels", levels.numpy(), type_of(stored))
    chain.cast(type_of(stored))
    return Integers(chain.end(), type_of(stored), *stored.range)


def _scaled(network: IntegerNetwork, graph: OnnxGraph, result: Integers) -> str:
    """The name of the result in real numbers."""
    chain = Chain(graph, result.name, result.type, graph.unique(f"{result.name}/real"))
    chain.cast(FLOAT)
    chain.with_constant("Mul", "step", np.float32(network.output_scale))
    return chain.end()


def _metadata(network: IntegerNetwork, graph: OnnxGraph) -> dict[str, str]:
    """Scales, formats and alphabets, as JSON."""
    formats = {
        graph.stored(name): {
            "bits": stored.bits,
            "signed": stored.signed,
            "alphabets": None if stored.alphabets is None else list(stored.alphabets),
        }
        for name, stored in network.formats.items()
    }
    weights = {graph.stored(layer.name): layer.operands.parameters for layer in network.products}
    facts = {
        "input_scale": network.input_scale,
        "output_scale": network.output_scale,
        "alphabets": list(network.alphabets),
        "formats": formats,
        "operands": weights,
    }
    return {PREFIX + name: json.dumps(fact) for name, fact in facts.items()}


def _checked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shapes of its tensors, by ONNX's own checker and strict inference."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    onnx.checker.check_model(inferred, full_check=True)
    return inferred


def save_onnx(
    network: IntegerNetwork,
    path: str | Path,
    input: str = "integers",
    result: str = "integers",
    all_tensors: bool = False,
) -> onnx.ModelProto:
    """Write `onnx_model` to ``path``, beside it first and then renamed. The same network gives the same bytes.

    Raises `ParameterError` if the folder is missing.
    """
    path = Path(path)
    with whole_file("ONNX file", path) as written:
        model = onnx_model(network, input, result, all_tensors)
        written.write_bytes(model.SerializeToString(deterministic=True))
    return model
