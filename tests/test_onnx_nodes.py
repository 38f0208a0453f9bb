"""Every node of ONNX that is taken is what onnxruntime computes, whatever its attributes and version."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from small_onnx import assert_equal, chain, imported, node

from asm_hw.errors import ParameterError
from asm_hw.training.onnx_in import file_comparison

pytestmark = pytest.mark.usefixtures("one_thread")
RANDOM = np.random.default_rng(0)
SHAPE = (3, 9, 10)


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.normal(0, 1, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


W, B, NORM = drawn(6, 3, 3, 2), drawn(6), [drawn(3), drawn(3), drawn(3), np.abs(drawn(3)) + 0.5]
FEATURES = [node("Flatten", target="f")]
"""[n, 270], of the input."""

NODES = {
    "convolution": [node("Conv", W, B)],
    "unlike pads": [node("Conv", W, B, pads=[2, 0, 1, 3])],
    "same, more at the end": [node("Conv", W, auto_pad="SAME_UPPER", strides=[2, 3])],
    "same, more at the beginning": [node("Conv", W, auto_pad="SAME_LOWER", strides=[2, 2])],
    "no pads": [node("Conv", W, B, auto_pad="VALID")],
    "groups, strides, dilations": [
        node("Conv", drawn(6, 1, 3, 3), group=3, strides=[2, 1], dilations=[1, 2], pads=[1, 2, 1, 2])
    ],
    "bias by a sum": [node("Conv", W, target="c"), node("Add", drawn(6, 1, 1), source="c")],
    "gemm": [*FEATURES, node("Gemm", drawn(270, 4), drawn(4), source="f", alpha=0.5, beta=2.0)],
    "gemm, transposed": [*FEATURES, node("Gemm", drawn(4, 270), drawn(1, 4), source="f", transB=1)],
    "gemm, one offset": [*FEATURES, node("Gemm", drawn(270, 4), np.float32(0.5), source="f")],
    "gemm without offset": [*FEATURES, node("Gemm", drawn(270, 4), source="f")],
    "matmul and sum": [
        *FEATURES,
        node("MatMul", drawn(270, 4), source="f", target="m"),
        node("Add", drawn(4), source="m"),
    ],
    "norm": [node("BatchNormalization", *NORM, epsilon=0.01)],
    "norm of features": [
        node("GlobalAveragePool", target="g"),
        node("Flatten", source="g", target="f"),
        node("BatchNormalization", *NORM, source="f"),
    ],
    "clip": [node("Clip", np.float32(-0.5), np.float32(0.7))],
    "clip to 6": [node("Clip", np.float32(0), np.float32(6))],
    "clip from below": [node("Clip", np.float32(0))],
    "clip from above": [node("Clip", None, np.float32(1))],
    "maximum": [node("Max", np.float32(0.25))],
    "minimum": [node("Min", np.float32(0.25))],
    "mean pool": [node("AveragePool", kernel_shape=[3, 2], strides=[2, 2])],
    "mean pool, pads count": [node("AveragePool", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)],
    "mean pool, pads do not": [node("AveragePool", kernel_shape=[3, 3], pads=[1] * 4)],
    "mean pool, unlike pads": [node("AveragePool", kernel_shape=[3, 3], pads=[0, 1, 2, 1], count_include_pad=1)],
    "mean pool, ceil": [node("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)],
    "max pool": [node("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 1])],
    "max pool, unlike pads": [node("MaxPool", kernel_shape=[3, 3], pads=[0, 1, 2, 1])],
    "max pool, unlike pads, positive": [
        node("Relu", target="r"),
        node("MaxPool", source="r", kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2]),
    ],
    "max pool, same": [node("MaxPool", kernel_shape=[2, 2], auto_pad="SAME_UPPER")],
    "max pool, dilated": [node("MaxPool", kernel_shape=[2, 2], dilations=[2, 3])],
    "max pool, ceil": [node("MaxPool", kernel_shape=[2, 2], strides=[2, 4], ceil_mode=1)],
    "global mean": [node("GlobalAveragePool")],
    "global maximum": [node("GlobalMaxPool")],
    "mean": [node("ReduceMean", ints(2, 3))],
    "mean without sizes": [node("ReduceMean", ints(-1, -2), keepdims=0)],
    "maximum without sizes": [node("ReduceMax", ints(2, 3), keepdims=0)],
    "sum with itself": [(helper.make_node("Add", ["x", "x"], ["y"]), [])],
    "sum of three": [(helper.make_node("Sum", ["x", "x", "x"], ["y"]), [])],
    "difference": [node("Relu", target="r"), (helper.make_node("Sub", ["r", "x"], ["y"]), [])],
    "offset a channel": [node("Add", drawn(1, 3, 1, 1))],
    "factor a channel": [node("Mul", drawn(3, 1, 1))],
    "quotient": [node("Div", np.float32(3))],
    "number minus": [(helper.make_node("Sub", ["y_0", "x"], ["y"]), node("Add", np.float32(2))[1])],
    "concat": [node("Relu", target="r"), (helper.make_node("Concat", ["x", "r"], ["y"], axis=1), [])],
    "concat along rows": [node("Relu", target="r"), (helper.make_node("Concat", ["x", "r"], ["y"], axis=-2), [])],
    "flatten": [node("Flatten")],
    "flatten from the end": [node("Flatten", axis=-3)],
    "reshape": [node("Reshape", ints(0, -1, 5))],
    "reshape to features": [node("Reshape", ints(-1, 270))],
    "squeeze": [node("GlobalAveragePool", target="g"), node("Squeeze", ints(2, -1), source="g")],
    "unsqueeze": [*FEATURES, node("Unsqueeze", ints(2, -1), source="f")],
    "transpose": [node("Relu", target="r"), node("Transpose", source="r", perm=[0, 3, 2, 1])],
    "pieces": [(helper.make_node("Split", ["x", "s"], ["a", "y"], axis=2), [numpy_helper.from_array(ints(4, 5), "s")])],
    "halves": [(helper.make_node("Split", ["x"], ["y", "b"], axis=3, num_outputs=2), [])],
    "slice": [node("Slice", ints(1, -7), ints(3, 1 << 40), ints(1, 3), ints(1, 2))],
    "pad": [node("Pad", ints(0, 1, 2, 0, 0, 2, 0, 3))],
    "pad some": [node("Pad", ints(1, 2), None, ints(3))],
    "dropout": [node("Dropout", target="d"), node("Relu", source="d")],
    "identity": [node("Identity", target="d"), node("Relu", source="d")],
    "prelu": [node("PRelu", drawn(3, 1, 1))],
    "softmax": [*FEATURES, node("Softmax", source="f", axis=1)],
    "silu": [node("Sigmoid", target="s"), (helper.make_node("Mul", ["x", "s"], ["y"]), [])],
    "hard swish by hard sigmoid": [
        node("HardSigmoid", target="s", alpha=1 / 6),
        (helper.make_node("Mul", ["s", "x"], ["y"]), []),
    ],
    "negative": [node("Neg")],
    **{
        one: [node(one)]
        for one in ("Relu", "LeakyRelu", "Elu", "Celu", "Sigmoid", "Tanh", "HardSwish", "Softplus", "Softsign", "Mish")
    },
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_what_onnxruntime_computes(name, tmp_path):
    assert_equal(chain(*NODES[name]), tmp_path, SHAPE)


@pytest.mark.parametrize("opset", [8, 9, 10, 11, 13, 18, 21, 25])
def test_versions(opset, tmp_path):
    """Axes, pads and limits were attributes once; every version is read alike."""
    pads = [0, 0, 1, 0, 0, 0, 2, 1]
    old = opset < 11
    limits = (
        [node("Clip", source="c", target="r", min=0.0, max=1.0)]
        if old
        else [node("Clip", np.float32(0), np.float32(1), source="c", target="r")]
    )
    padded = (
        [node("Pad", source="r", target="p", pads=pads)] if old else [node("Pad", ints(*pads), source="r", target="p")]
    )
    cut = (
        node("Slice", source="p", target="s", starts=[1], ends=[8], axes=[2])
        if opset < 10
        else node("Slice", ints(1), ints(8), ints(2), source="p", target="s")
    )
    mean = (
        node("ReduceMean", ints(2, 3), source="s", target="m")
        if opset >= 18
        else node("ReduceMean", source="s", target="m", axes=[2, 3])
    )
    last = node("Squeeze", source="m", axes=[2, 3]) if opset < 13 else node("Squeeze", ints(2, 3), source="m")
    made = chain(node("Conv", W, B, target="c"), *limits, *padded, cut, mean, last, opset=opset)
    assert_equal(made, tmp_path, SHAPE)


def test_one_dimension(tmp_path):
    nodes = [node("Conv", drawn(4, 3, 3), drawn(4), pads=[2, 1], target="c"), node("Relu", source="c", target="r")]
    nodes += [
        node("MaxPool", source="r", target="p", kernel_shape=[2], strides=[2]),
        node("GlobalAveragePool", source="p"),
    ]
    assert_equal(chain(*nodes, shape=("n", 3, 20)), tmp_path, (3, 20))


def test_channels_last(tmp_path):
    """As TensorFlow's networks come: transposes vanish, the image is [n, channels, ...], a flattened order moves weights."""
    first = node("Transpose", target="t", perm=[0, 3, 1, 2])
    layers = [
        node("Conv", drawn(4, 3, 3, 3), source="t", target="c"),
        node("Transpose", source="c", target="l", perm=[0, 2, 3, 1]),
    ]
    layers += [node("Add", drawn(4), source="l", target="a"), node("Relu", source="a", target="r")]
    back = [
        node("Transpose", source="r", target="b", perm=[0, 3, 1, 2]),
        node("MaxPool", source="b", target="m", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    tail = [
        node("Transpose", source="m", target="u", perm=[0, 2, 3, 1]),
        node("Reshape", ints(-1, 48), source="u", target="f"),
    ]
    head = [node("Mul", drawn(48), source="f", target="g"), node("MatMul", drawn(48, 5), source="g")]
    made = chain(first, *layers, *back, *tail, *head, shape=("n", 9, 10, 3))
    module = assert_equal(made, tmp_path, (9, 10, 3), order=(0, 3, 1, 2))
    assert not [n for n in module.graph.nodes if "permute" in str(n.target)]
    mean = [node("ReduceMean", ints(1, 2), source="r", target="f", keepdims=0), node("MatMul", drawn(4, 5), source="f")]
    assert_equal(chain(first, *layers, *mean, shape=("n", 9, 10, 3)), tmp_path, (9, 10, 3), order=(0, 3, 1, 2))
    pieces = [
        node("Slice", ints(1), ints(3), ints(3), source="r", target="s"),
        node("Concat", source="s", target="y", axis=-1),
    ]
    pieces[1][0].input.append("r")
    assert_equal(chain(first, *layers, *pieces, shape=("n", 9, 10, 3)), tmp_path, (9, 10, 3), order=(0, 3, 1, 2))


def test_a_fixed_batch_is_any_batch(tmp_path):
    made = chain(node("Conv", W, target="c"), node("Reshape", ints(1, 378), source="c"), shape=(1, *SHAPE))
    module = imported(made, tmp_path)
    assert module(torch.zeros(7, *SHAPE)).shape == (7, 378)


def test_open_sizes_are_given(tmp_path):
    made = chain(node("Conv", W, target="c"), node("GlobalAveragePool", source="c"), shape=("n", 3, "h", "w"))
    assert imported(made, tmp_path, input_shape=SHAPE)(torch.zeros(2, *SHAPE)).shape == (2, 6, 1, 1)
    with pytest.raises(
        ParameterError, match=r"input_shape must fit input 'x' \[\?, 3, \?, \?\] of the model, not \[4, 9, 10\]"
    ):
        imported(made, tmp_path, input_shape=(4, 9, 10))


def test_another_function_is_refused(tmp_path, monkeypatch):
    """The comparison sees an answer that is a little off, and one of another shape."""
    made, real = chain(node("Conv", W, B)), file_comparison._results
    for change, words in (
        (lambda y: y * 1.001, "differs from onnxruntime by"),
        (lambda y: y[:, :5], "must give [5, 5, 7, 9]"),
    ):
        monkeypatch.setattr(file_comparison, "_results", lambda *a, c=change: {k: c(v) for k, v in real(*a).items()})
        with pytest.raises(ParameterError) as refused:
            imported(made, tmp_path)
        assert words in str(refused.value)


WINDOWS = st.fixed_dictionaries(
    {
        "kernel_shape": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "strides": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "pads": st.tuples(*[st.integers(0, 2)] * 4),
        "ceil_mode": st.integers(0, 1),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=WINDOWS, counted=st.integers(0, 1), average=st.booleans())
def test_pools_of_any_window_are_right_or_refused(window, counted, average, tmp_path):
    how = window | ({"count_include_pad": counted} if average else {})
    made = chain(node("AveragePool" if average else "MaxPool", **how))
    try:
        assert_equal(made, tmp_path, SHAPE)
    except ParameterError as error:
        assert "net.onnx" in str(error)
