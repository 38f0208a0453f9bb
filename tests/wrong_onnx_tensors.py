"""More of `wrong_onnx`: tensors that are not what they claim, and nodes that cannot be taken."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from wrong_onnx import array, conv, info, model, one, small, wrong


def weighted(tensor: TensorProto):
    """A convolution by ``tensor``, called w."""
    return model([conv()], [tensor])


def outside(**entries: str):
    """A convolution whose weight lies in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3, 3, 3], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return weighted(tensor)


def claimed(dims, data_type=TensorProto.FLOAT, raw: bytes = b"1234"):
    return weighted(TensorProto(name="w", data_type=data_type, dims=dims, raw_data=raw))


@wrong("'w'", "no such file")
def external_missing():
    return outside(location="weights.bin")


@wrong("'w'", "in the folder of the model", "'../secret'")
def external_above():
    return outside(location="../secret")


@wrong("'w'", "in the folder of the model", "'/etc/passwd'")
def external_absolute():
    return outside(location="/etc/passwd")


@wrong("'w'", "in the folder of the model")
def external_without_place():
    return outside()


@wrong("'w'", "432 bytes at offset 0")
def external_short():
    return outside(location="external_short.onnx")  # the model itself, which is shorter


@wrong("'w'", "432 bytes at offset -4")
def external_offset_below_zero():
    return outside(location="external_offset_below_zero.onnx", offset="-4")


@wrong("'w'", "a number as offset")
def external_offset_of_words():
    return outside(location="external_offset_of_words.onnx", offset="many")


@wrong("'w'", "2147483648 bytes, not 4")
def claim_of_2_gigabytes():
    return claimed([1 << 15, 1 << 14])


@wrong("'w'", "must hold", "not 4")
def claim_beyond_64_bits():
    return claimed([1 << 62, 1 << 62, 4])


@wrong("'w'", "sizes of at least 0")
def size_below_zero():
    return claimed([4, -3, 3, 3])


@wrong("'w'", "at most 8 sizes")
def too_many_sizes():
    return claimed([1] * 20)


@wrong("'w'", "432 values, not 3")
def fewer_values():
    return weighted(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3, 6, 6], float_data=[1, 2, 3]))


@wrong("'w'", "finite")
def nan_weights():
    return weighted(array("w", 4, 3, 3, 3, value=float("nan")))


@wrong("'w'", "finite")
def infinite_weights():
    return weighted(array("w", 4, 3, 3, 3, value=float("inf")))


@wrong("finite")
def nan_in_a_constant():
    node = helper.make_node("Constant", [], ["c"], value=array("", 1, value=float("nan")), name="c")
    return model([node, helper.make_node("Add", ["x", "c"], ["y"])])


@wrong("'w'", "not string")
def strings():
    return weighted(TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], string_data=[b"a"]))


@wrong("'w'", "not complex64")
def complex_numbers():
    return claimed([1], TensorProto.COMPLEX64, bytes(8))


@wrong("'w'", "not type 99")
def unknown_type():
    return claimed([1], 99)


@wrong("'w'", "not undefined")
def undefined_type():
    return claimed([1], 0)


@wrong("'w'", "dense, not sparse")
def sparse():
    made = small()
    values, places = numpy_helper.from_array(np.ones(1, np.float32), "w"), array("", 1, value=0, dtype=np.int64)
    made.graph.ClearField("initializer")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [108]))
    return made


# Nodes


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
    return model([conv("x", "z"), helper.make_node("Mul", ["z", "c"], ["y"])], [array("w", 4, 3, 3, 3, value=3e38), array("c", value=3e38)])
