"""More of `wrong_onnx`: nodes that cannot be taken."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from wrong_onnx import array, conv, info, model, one, wrong


def subgraph():
    return helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "s", [], [info("z", None)])


@wrong("'it' (If, opset 18)")
def branch_on_values():
    node = helper.make_node("If", ["c"], ["y"], name="it", then_branch=subgraph(), else_branch=subgraph())
    sums = [helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0), helper.make_node("Greater", ["s", "w"], ["c"])]
    return model([*sums, node], [array("w")])


@wrong("'it' (Loop, opset 18)")
def loop():
    inner = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Relu", ["v"], ["u"])]
    ends = [info("i", (), TensorProto.INT64), info("go", (), TensorProto.BOOL), info("v", None)]
    body = helper.make_graph(inner, "b", ends, [info("on", (), TensorProto.BOOL), info("u", None)])
    count = array("m", value=3, dtype=np.int64)
    return model([helper.make_node("Loop", ["m", "", "x"], ["y"], name="it", body=body)], [count])


@wrong("'it' (Scan, opset 18)")
def scan():
    ends = ([info("v", None)], [info("u", None)])
    body = helper.make_graph([helper.make_node("Relu", ["v"], ["u"])], "b", *ends)
    return one("Scan", body=body, num_scan_inputs=1)


@wrong("'it' (ConvTranspose, opset 18)", "'deep' (DepthToSpace, opset 18)")
def two_at_once():
    made = one("ConvTranspose", "w", constants=[array("w", 3, 4, 3, 3)], outputs=("z",))
    made.graph.node.append(helper.make_node("DepthToSpace", ["z"], ["y"], name="deep", blocksize=2))
    return made


@wrong("(Mystery, opset 18)", "it is of domain 'com.example'")
def custom_domain():
    return one("Mystery", domain="com.example")


@wrong("Mystery")
def unknown_operator():
    return one("Mystery")


@wrong("'it' (LSTM, opset 18)")
def lstm():
    weights = [array("w", 1, 16, 8), array("r", 1, 16, 4)]
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], name="it", hidden_size=4)
    return model([node], weights, inputs=[info("x", (5, 1, 8))])


@wrong("'it' (Mul, opset 18)", "would need a multiplier")
def product_of_two():
    return one("Mul", "x")


@wrong("'it' (MatMul, opset 18)", "would need a multiplier")
def matrix_product_of_two():
    return one("MatMul", "x")


@wrong("(Conv, opset 18)", "do not fit 3 channels")
def channels_that_differ():
    return model([conv()], [array("w", 4, 5, 3, 3)])


@wrong("(Conv")
def kernel_larger_than_image():
    return model([conv()], [array("w", 4, 3, 30, 30)])


@wrong("(Conv", "at least 1")
def strides_of_zero():
    return model([conv(strides=[0, 0])], [array("w", 4, 3, 3, 3)])


@wrong("(Conv", "do not fit")
def pads_of_a_billion():
    return model([conv(pads=[1 << 30] * 4)], [array("w", 4, 3, 3, 3)])


@wrong("(Conv")
def weight_of_two_sizes():
    return model([conv()], [array("w", 4, 27)])


@wrong("(Conv", "must be a constant")
def computed_weight():
    return model([helper.make_node("Relu", ["x"], ["w"]), conv()])


@wrong("(Transpose, opset 18)", "batch")
def transpose_of_the_batch():
    return one("Transpose", perm=[1, 0, 2, 3])


@wrong("(Reshape, opset 18)", "batch")
def reshape_across_the_batch():
    return one("Reshape", "s", constants=[numpy_helper.from_array(np.array([-1, 8]), "s")])


@wrong("(Concat, opset 18)", "batch")
def concat_of_the_batch():
    return one("Concat", "x", axis=0)


@wrong("(Expand")
def expand_to_gigabytes():
    shape = numpy_helper.from_array(np.array([1 << 14, 1 << 14, 1 << 10]), "s")
    nodes = [helper.make_node("Expand", ["c", "s"], ["e"], name="it"), helper.make_node("Add", ["x", "e"], ["y"])]
    return model(nodes, [shape, array("c", 1)])


@wrong("(ConstantOfShape")
def constant_of_gigabytes():
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "s")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["e"], name="it"), helper.make_node("Add", ["x", "e"], ["y"])]
    return model(nodes, [shape])


@wrong("(BatchNormalization")
def norm_in_training():
    ones = [array(name, 3, value=1) for name in "abcd"]
    return one("BatchNormalization", *"abcd", constants=ones, outputs=("y", "m", "v"), training_mode=1)


@wrong("(Slice, opset 18)", "steps must be at least 1")
def slice_backwards():
    numbers = [numpy_helper.from_array(np.array([n]), name) for n, name in ((7, "s"), (-9, "e"), (2, "a"), (-1, "t"))]
    return one("Slice", *"seat", constants=numbers)


@wrong("(Pad, opset 18)", "must add zeros, not reflect")
def reflected():
    return one("Pad", "p", constants=[numpy_helper.from_array(np.array([0, 0, 1, 1] * 2), "p")], mode="reflect")


@wrong("(QLinearConv", "QDQ")
def quantized_operators():
    one_, zero = array("s", value=1), array("z", value=0, dtype=np.uint8)
    first = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="q")
    node = helper.make_node("QLinearConv", ["q", "s", "z", "w", "s", "z", "s", "z"], ["p"], name="it")
    last = helper.make_node("DequantizeLinear", ["p", "s", "z"], ["y"], name="d")
    return model([first, node, last], [one_, zero, array("w", 4, 3, 3, 3, value=1, dtype=np.uint8)])


@wrong("(BipolarQuant, opset 18)")
def sign_of_a_tensor():
    return one("BipolarQuant", "s", domain="qonnx.custom_op.general", constants=[array("s", value=1)])


@wrong("finite")
def overflow_to_infinity():
    return model(
        [conv("x", "z"), helper.make_node("Mul", ["z", "c"], ["y"])],
        [array("w", 4, 3, 3, 3, value=3e38), array("c", value=3e38)],
    )
