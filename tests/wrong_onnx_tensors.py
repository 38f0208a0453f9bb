"""More of `wrong_onnx`: tensors that are not what they claim."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from wrong_onnx import array, conv, model, small, wrong


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
