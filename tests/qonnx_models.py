"""QONNX models in the style of qonnx's own tests: quantizers of weights and of tensors as nodes of a domain of its own."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

DOMAIN = "qonnx.custom_op.general"


class Maker:
    """Nodes and constants of one graph."""

    def __init__(self, seed: int = 0, domain: str = DOMAIN) -> None:
        self.random, self.domain = np.random.default_rng(seed), domain
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, values, name: str | None = None) -> str:
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        fan = np.prod(shape[1:])
        return self.constant(self.random.normal(0, 1 / np.sqrt(fan), shape), name)

    def node(self, kind: str, *sources: str, **how) -> str:
        self.nodes.append(
            helper.make_node(kind, sources, [f"t{len(self.nodes)}"], name=f"{kind}_{len(self.nodes)}", **how)
        )
        return self.nodes[-1].output[0]

    def quant(
        self, source: str, scale, bits: float, signed: int = 1, narrow: int = 0, zero=0.0, mode: str = "ROUND"
    ) -> str:
        numbers = [self.constant(value) for value in (scale, zero, bits)]
        how = {"signed": signed, "narrow": narrow, "rounding_mode": mode, "domain": self.domain}
        return self.node("Quant", source, *numbers, **how)

    def model(self, shape: tuple[int, ...], opset: int = 13) -> ModelProto:
        self.nodes[-1].output[0] = "y"
        ends = [helper.make_tensor_value_info("x", 1, shape)], [helper.make_tensor_value_info("y", 1, None)]
        graph = helper.make_graph(self.nodes, "qonnx", *ends, self.constants)
        imports = [helper.make_opsetid("", opset), helper.make_opsetid(self.domain, 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)


def channel_scales(maker: Maker, name: str, bits: int) -> np.ndarray:
    """A scale for each output channel of a weight, [out, 1, ...]."""
    values = numpy_helper.to_array(next(one for one in maker.constants if one.name == name))
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
    return largest / (2 ** (bits - 1) - 1)


def mlp(domain: str = DOMAIN) -> ModelProto:
    """Four bits in weights and tensors, norms between: the TFC networks that FINN's examples begin with."""
    make, value = Maker(1, domain), "x"
    value = make.quant(value, 1 / 127, 8)
    for i, (inputs, outputs) in enumerate(((64, 32), (32, 32))):
        weight = make.quant(make.weight(f"fc{i}.weight", outputs, inputs), 0.05, 4, narrow=1)
        value = make.node("MatMul", value, make.node("Transpose", weight, perm=[1, 0]))
        norm = [make.constant(make.random.uniform(0.5, 1.5, outputs)) for _ in range(2)]
        value = make.node(
            "BatchNormalization", value, norm[0], *[make.constant(np.zeros(outputs)) for _ in "bm"], norm[1]
        )
        value = make.quant(value, 0.3, 4)
    weight = make.quant(make.weight("fc2.weight", 10, 32), 0.05, 4, narrow=1)
    value = make.node("Gemm", value, weight, make.constant(np.linspace(-1, 1, 10)), transB=1)
    return make.model((1, 64))


def cnn(domain: str = DOMAIN) -> ModelProto:
    """Convolutions with a scale for each channel, ReLU, unsigned tensors, a pool; as brevitas exports them."""
    make = Maker(2, domain)
    value = make.quant("x", 1 / 255, 8, signed=0)
    for name, inputs, outputs in (("conv1", 3, 8), ("conv2", 8, 16)):
        weight = make.weight(f"{name}.weight", outputs, inputs, 3, 3)
        weight = make.quant(weight, channel_scales(make, weight, 5), 5, narrow=1)
        bias = make.constant(make.random.normal(0, 0.1, outputs), f"{name}.bias")
        value = make.node("Conv", value, weight, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        value = make.quant(make.node("Relu", value), 0.05, 6, signed=0)
        value = make.node("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    value = make.node("Flatten", make.node("GlobalAveragePool", value))
    weight = make.quant(make.weight("fc.weight", 10, 16), 1 / 16, 8)
    make.node("MatMul", value, make.node("Transpose", weight))
    return make.model((1, 3, 16, 16))


def bipolar_residual(domain: str = DOMAIN) -> ModelProto:
    """Weights of one bit (BipolarQuant), a residual that is quantized on both of its ways, no ReLU before a quantizer."""
    make = Maker(3, domain)
    value = make.quant("x", 1 / 64, 8)
    bipolar = [
        make.node("BipolarQuant", make.weight(f"w{i}", 4, c, 3, 3), make.constant(0.1), domain=domain)
        for i, c in ((0, 2), (1, 4))
    ]
    first = make.quant(make.node("Conv", value, bipolar[0], kernel_shape=[3, 3], pads=[1] * 4), 0.02, 7, signed=0)
    second = make.quant(make.node("Conv", first, bipolar[1], kernel_shape=[3, 3], pads=[1] * 4), 0.05, 6)
    value = make.quant(make.node("Relu", make.node("Add", first, second)), 0.1, 4, signed=0)
    value = make.node("Reshape", make.node("ReduceMean", value, axes=[2, 3]), "shape")
    make.constants.append(numpy_helper.from_array(np.array([1, 4]), "shape"))
    make.node("Gemm", value, make.quant(make.weight("head.weight", 3, 4), 0.02, 6), transB=1)
    return make.model((1, 2, 8, 8))


MODELS = {"mlp": mlp, "cnn": cnn, "bipolar residual": bipolar_residual}
