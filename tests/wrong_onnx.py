"""ONNX files that are wrong or cannot be taken: a function each, which writes one, and words of the sentence it gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

WRONG: dict[str, tuple[object, list[str]]] = {}
IMAGE = ("n", 3, 8, 8)


def wrong(*words: str):
    """Notes a function that gives a model, or bytes, under its name."""

    def note(make):
        WRONG[make.__name__] = (make, list(words))
        return make

    return note


def array(name: str, *shape: int, value: float = 0.1, dtype=np.float32) -> TensorProto:
    return numpy_helper.from_array(np.full(shape, value, dtype), name)


def info(name: str, shape=IMAGE, kind: int = TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes: list[NodeProto], constants=(), inputs=None, outputs=None, opset: int = 18, more=()) -> ModelProto:
    """A model that reads ``x`` and gives ``y``."""
    inputs = [info("x")] if inputs is None else inputs
    outputs = [info("y", None)] if outputs is None else outputs
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in more)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def conv(source: str = "x", target: str = "y", **how) -> NodeProto:
    return helper.make_node("Conv", [source, "w"], [target], name="conv", **how)


def small(**changes) -> ModelProto:
    """One convolution, which is right as it stands."""
    return model([conv()], [array("w", 4, 3, 3, 3)], **changes)


def one(kind: str, *more: str, constants=(), domain: str = "", outputs=("y",), opset: int = 18, **how) -> ModelProto:
    """A node of ``kind`` on the input."""
    node = helper.make_node(kind, ["x", *more], list(outputs), name="it", domain=domain, **how)
    return model([node], constants, opset=opset, more=[domain] if domain else [])


# The file


@wrong("must be a whole ONNX file")
def truncated():
    return small().SerializeToString()[:-40]


@wrong("must be a whole ONNX file")
def text():
    return b"this is no protobuf at all\n" * 9


@wrong("graph with nodes")
def empty():
    return b""


@wrong("must be a whole ONNX file")
def noise():
    return np.random.default_rng(0).integers(0, 256, 4096, np.uint8).tobytes()


@wrong("graph with nodes")
def other_protobuf():
    return numpy_helper.from_array(np.zeros(3, np.float32), "t").SerializeToString()[:2]


@wrong("graph with nodes")
def no_nodes():
    return model([])


@wrong("opset must be 8 to 25, not 7")
def opset_7():
    return small(opset=7)


@wrong("opset must be 8 to 25, not 30")
def opset_30():
    return small(opset=30)


@wrong("opset must be 8 to 25, not 0")
def no_opset():
    made = small()
    del made.opset_import[:]
    return made


@wrong("opset must be 8 to 25", "-5")
def opset_below_zero():
    return small(opset=-5)


# Ends


@wrong("one output, not 0")
def no_outputs():
    return small(outputs=[])


@wrong("one output, not 2")
def two_outputs():
    nodes = [conv(), helper.make_node("Relu", ["y"], ["z"])]
    return model(nodes, [array("w", 4, 3, 3, 3)], outputs=[info("y", None), info("z", None)])


@wrong("one input, not 2", "'x', 'z'")
def two_inputs():
    return model([helper.make_node("Add", ["x", "z"], ["y"])], inputs=[info("x"), info("z")])


@wrong("one input, not 0")
def no_inputs():
    return model([helper.make_node("Relu", ["w"], ["y"])], [array("w", 1, 3)], inputs=[])


@wrong("output 'nowhere' must be computed")
def output_of_nothing():
    return small(outputs=[info("nowhere", None)])


@wrong("input 'x' must have fixed sizes", "[?, 3, ?, ?]", "input_shape")
def open_sizes():
    return small(inputs=[info("x", ("n", 3, "h", "w"))])


@wrong("input 'x' must have fixed sizes", "[?, 3, ?, 8]")
def one_open_size():
    return small(inputs=[info("x", ("n", 3, None, 8))])


@wrong("shape of 2 to 5 sizes")
def no_shape():
    return small(inputs=[info("x", None)])


@wrong("shape of 2 to 5 sizes")
def input_of_one_size():
    return model([helper.make_node("Relu", ["x"], ["y"])], inputs=[info("x", ("n",))])


@wrong("sizes of at least 1", "0")
def input_of_size_zero():
    return small(inputs=[info("x", ("n", 3, 0, 8))])


@wrong("sizes of at least 1", "-8")
def input_of_size_below_zero():
    return small(inputs=[info("x", ("n", 3, -8, 8))])


@wrong("sizes of at least 1 that fit memory")
def input_too_large():
    return small(inputs=[info("x", ("n", 3, 1 << 40, 1 << 40))])


@wrong("tensor of float32")
def input_of_bytes():
    return model([helper.make_node("Cast", ["x"], ["y"], to=1)], inputs=[info("x", IMAGE, TensorProto.UINT8)])


@wrong("tensor of float32")
def input_of_strings():
    return model([helper.make_node("Identity", ["x"], ["y"])], inputs=[info("x", IMAGE, TensorProto.STRING)])


@wrong("tensor of float32")
def input_is_a_sequence():
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, IMAGE))
    return small(inputs=[helper.make_value_info("x", kind)])


@wrong("float32 numbers that follow from its input")
def constant_output():
    nodes = [helper.make_node("Relu", ["x"], ["z"]), helper.make_node("Relu", ["w"], ["y"])]
    return model(nodes, [array("w", 2, 3)])


# Names and order


@wrong("initializer 'w' must be there once")
def initializer_twice():
    return model([conv()], [array("w", 4, 3, 3, 3), array("w", 4, 3, 3, 3)])


@wrong("must not compute 'y' a second time")
def result_twice():
    return model([conv(), helper.make_node("Relu", ["x"], ["y"], name="again")], [array("w", 4, 3, 3, 3)])


@wrong("in a circle")
def cycle():
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="p"), helper.make_node("Relu", ["a"], ["b"], name="q")]
    return model([*nodes, helper.make_node("Relu", ["b"], ["y"])])


@wrong("reads 'nowhere', which is computed by no node")
def reads_nothing():
    return model([conv("nowhere")], [array("w", 4, 3, 3, 3)])


@wrong("must have names of their own")
def input_twice():
    return small(inputs=[info("x"), info("x")])


# Written by `write`


def write(name: str, folder: Path) -> Path:
    """The file ``name`` in ``folder``."""
    made = WRONG[name][0]()  # type: ignore[operator]
    path = folder / f"{name}.onnx"
    path.write_bytes(made.SerializeToString() if isinstance(made, onnx.ModelProto) else made)
    return path
