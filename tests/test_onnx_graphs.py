"""ONNX graphs in which one thing is read twice, named like another, or depends on the batch: right or refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper
from qonnx_models import DOMAIN
from small_onnx import assert_equal, chain, imported, node
from torch import nn

from asm_hw.errors import ParameterError

pytestmark = pytest.mark.usefixtures("one_thread")
RANDOM = np.random.default_rng(0)
SHAPE = (3, 8, 8)
SWAP = {"perm": [0, 1, 3, 2]}
LAST = {"perm": [0, 2, 3, 1]}


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.normal(0, 1, shape).astype(np.float32)


def graph(*nodes: tuple, shape=("n", *SHAPE), more=(), **constants) -> ModelProto:
    """A model of nodes (kind, inputs, output, attributes), of which ``constants`` are by name."""
    made = [
        helper.make_node(kind, inputs.split(), [output], **({"name": f"{kind}_{output}"} | (how[0] if how else {})))
        for kind, inputs, output, *how in nodes
    ]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    ends = [helper.make_tensor_value_info("x", 1, shape)], [helper.make_tensor_value_info("y", 1, None)]
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in more)]
    return helper.make_model(helper.make_graph(made, "g", *ends, held), opset_imports=opsets, ir_version=8)


CONV = ("Conv", "x w", "c")
RIGHT = {
    "a bias behind what moves, and the layer read besides": graph(
        CONV,
        ("Transpose", "c", "t", LAST),
        ("Add", "t b", "u"),
        ("Transpose", "u", "v", {"perm": [0, 3, 1, 2]}),
        ("Relu", "c", "r"),
        ("Add", "v r", "y"),
        w=drawn(3, 3, 3, 3),
        b=drawn(3),
    ),
    "two offsets of one layer": graph(
        CONV,
        ("Identity", "c", "t"),
        ("Identity", "c", "u"),
        ("Add", "t a", "v"),
        ("Add", "u b", "w2"),
        ("Add", "v w2", "y"),
        w=drawn(3, 3, 3, 3),
        a=drawn(3, 1, 1),
        b=drawn(3, 1, 1),
    ),
    "constants of nodes named alike": graph(
        ("Mul", "x a", "z", {"name": "a/b"}), ("Mul", "z b", "y", {"name": "a_b"}), a=drawn(3, 1, 1), b=drawn(3, 1, 1)
    ),
    "a number first": graph(("Max", "a x", "y"), a=np.float32(0.5)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_it_is_what_onnxruntime_computes(name, tmp_path):
    assert_equal(RIGHT[name], tmp_path, SHAPE)


@pytest.mark.parametrize(("kind", "sign"), [("Min", 1), ("Max", -1)])
def test_every_limit_counts_however_far(kind, sign, tmp_path):
    """No random input comes near the limits: the comparison with onnxruntime does not see them."""
    numbers = {name: np.float32(sign * value) for name, value in (("a", 500), ("b", 200), ("c", 300))}
    (clip,) = (
        one
        for one in imported(graph((kind, "a x b c", "y"), **numbers), tmp_path).modules()
        if isinstance(one, nn.Hardtanh)
    )
    assert (clip.max_val if sign == 1 else clip.min_val) == sign * 200


def test_a_function_of_the_file_is_written_out(tmp_path):
    made = graph(("f", "x", "y", {"domain": "own"}), more=["own"])
    body = [helper.make_node("Relu", ["a"], ["t"]), helper.make_node("Neg", ["t"], ["b"])]
    made.functions.append(helper.make_function("own", "f", ["a"], ["b"], body, [helper.make_opsetid("", 18)]))
    assert_equal(made, tmp_path, SHAPE)


NAMES = ["graph", "class", "code", "meta", "_graph", "recompile", "forward", "training", "None", "_modules", "input"]


@pytest.mark.parametrize("path", [path for name in NAMES for path in (name, f"block.{name}")])
def test_layers_of_any_name(path, tmp_path):
    weight = f"{path}.weight"
    nodes = [
        ("Conv", f"x {weight}", "c"),
        ("Relu", "c", "r", {"name": path}),
        ("Mul", "r k", "y", {"name": path + "2"}),
    ]
    module = assert_equal(graph(*nodes, **{weight: drawn(3, 3, 3, 3), "k": drawn(3, 1, 1)}), tmp_path, SHAPE)
    assert sum(isinstance(one, nn.Conv2d) for one in module.modules()) == 1


FLAT = [("Transpose", "x", "t", LAST), ("Flatten", "t", "f")]
REFUSED = {
    "by the number of inputs": (
        graph(
            ("Shape", "x", "s"),
            ("Gather", "s i", "b"),
            ("Cast", "b", "f", {"to": 1}),
            ("Div", "x f", "y"),
            i=np.int64(0),
        ),
        "differs from onnxruntime by",
    ),
    "gate in another order": (
        graph(("Sigmoid", "x", "s"), ("Transpose", "x", "t", SWAP), ("Mul", "s t", "y")),
        "'Mul_y' (Mul, opset 18) cannot be taken: a product of two tensors",
    ),
    "features in another order as the output": (
        graph(*FLAT, ("Relu", "f", "y")),
        "output 'y' cannot be given: it reads features that were flattened in another order",
    ),
    "sum of two orders": (
        graph(*FLAT, ("Flatten", "x", "g"), ("Sum", "f g", "y")),
        "'Sum_y' (Sum, opset 18) cannot be taken: it reads features that were flattened in another order",
    ),
    "a first size that is fixed": (graph(("Reshape", "x s", "y"), s=np.array([2, -1])), "for any number of inputs"),
    "softmax over the batch": (graph(("Softmax", "x", "y", {"axis": 0})), "'Softmax_y' (Softmax, opset 18)"),
    "squeeze of the batch": (graph(("Squeeze", "x", "y"), shape=(1, *SHAPE)), "'Squeeze_y' (Squeeze, opset 18)"),
    "maximum of two tensors": (graph(("Relu", "x", "r"), ("Max", "x r", "y")), "must be of one tensor and numbers"),
    "a quantizer of one value": (
        graph(
            ("Quant", "x s z b", "y", {"domain": DOMAIN, "narrow": 1}),
            more=[DOMAIN],
            s=np.float32(1),
            z=np.float32(0),
            b=np.float32(1),
        ),
        "'Quant_y' (Quant, opset 18) cannot be taken: its 1 bits must be more than one value",
    ),
    "a narrow quantizer of each channel": (
        graph(
            ("Relu", "x", "r"),
            ("Quant", "r s z b", "y", {"domain": DOMAIN}),
            more=[DOMAIN],
            s=np.array([[[[1.0]], [[2.0]], [[4.0]]]], np.float32),
            z=np.float32(0),
            b=np.float32(4),
        ),
        "of fewer than 8 bits it must have one scale",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_sentence(name, tmp_path):
    made, words = REFUSED[name]
    with pytest.raises(ParameterError) as refused:
        imported(made, tmp_path)
    assert words in str(refused.value) and len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("opset", [10, 13, 18, 19, 21, 25])
def test_integer_weights_of_every_version(opset, tmp_path):
    """Before version 13 without an axis; before 19 onnx itself has no evaluator of a DequantizeLinear."""
    axis = {"axis": 0} if opset >= 13 else {}
    scale = np.array([0.1, 0.2, 0.3, 0.4], np.float32) if axis else np.float32(0.1)
    zero = np.full(np.shape(scale), 7, np.uint8)
    weights = RANDOM.integers(0, 256, (4, 3, 3, 3)).astype(np.uint8)
    held = [numpy_helper.from_array(np.asarray(one), name) for name, one in (("w", weights), ("s", scale), ("z", zero))]
    made = chain((helper.make_node("DequantizeLinear", ["w", "s", "z"], ["v"], **axis), held), opset=opset)
    made.graph.node.append(helper.make_node("Conv", ["x", "v"], ["y"]))
    assert_equal(made, tmp_path, (3, 9, 10))


@pytest.mark.parametrize(("zero", "clips"), [(0, [(0.0, 25.5)]), (255, [(-25.5, 0.0)]), (128, [])])
def test_a_quantizer_that_ends_at_zero_clips(zero, clips, tmp_path):
    scale, point = np.float32(0.1), np.array(zero, np.uint8)
    pair = [
        node("QuantizeLinear", scale, point, source="n", target="q"),
        node("DequantizeLinear", scale, point, source="q"),
    ]
    module = imported(chain(node("Neg", target="n"), *pair), tmp_path)
    found = [one for one in module.modules() if isinstance(one, nn.Hardtanh)]
    assert [(round(one.min_val, 3), round(one.max_val, 3)) for one in found] == clips


def test_zero_points_of_channels_that_differ_are_refused(tmp_path):
    """From 0 on in one channel and not in another: what clips would be lost."""
    scale, zero = np.full(3, 0.1, np.float32), np.array([0, 9, 0], np.uint8)
    pair = [node("QuantizeLinear", scale, zero, target="q"), node("DequantizeLinear", scale, zero, source="q")]
    with pytest.raises(ParameterError, match="its zero point must be the same for all channels"):
        imported(chain(*pair), tmp_path)
