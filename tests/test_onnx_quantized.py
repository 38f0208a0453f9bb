"""QDQ and QONNX files: what becomes of their quantizers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import qonnx_models
import torch
from onnx_networks import (
    NETWORKS,
    assert_same_integers,
    dequantized,
    exported,
    folded,
    imagenet_network,
    integers,
    network,
    quantized,
)
from onnxruntime.quantization import QuantType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from small_onnx import chain, imported, node
from torch import nn

from asm_hw import from_onnx, prepare
from asm_hw.errors import ParameterError
from asm_hw.training.onnx_in import file_comparison, file_quantizers
from asm_hw.training.quantizer import ActivationQuantizer
from asm_hw.training.scale_starts import KnownScale

pytestmark = pytest.mark.usefixtures("one_thread")
KEPT = {"extra_options": {"QDQKeepRemovableActivations": True}}
SYMMETRIC = {"activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}}


def with_weights_of(model: nn.Module, path) -> nn.Module:
    """``model`` with the weights that the QDQ file ``path`` stands for, by plain arithmetic."""
    own = [p for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) for p in m.parameters()]
    found = [torch.from_numpy(value) for value in dequantized(path)]
    assert len(found) == len(own)
    for value in found:  # of the file's order, which is another
        distance = {i: (p - value).norm().item() for i, p in enumerate(own) if p.shape == value.shape}
        nearest = own.pop(min(distance, key=distance.__getitem__))
        assert min(distance.values()) < 0.05 * nearest.norm().item()
        nearest.data = value
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_a_qdq_file_gives_the_integers_of_its_weights(name, tmp_path):
    """With activation functions left in the file; the scales of tensors fitted, as the PyTorch way does."""
    model, sample = network(name)
    path = quantized(exported(model, sample, tmp_path / "net.onnx", dynamo=False), sample, **KEPT)
    module = from_onnx(path, scales=False)
    assert not [one for one in module.modules() if isinstance(one, nn.Hardtanh) and type(one) is nn.Hardtanh]
    assert_same_integers(integers(module, sample), integers(with_weights_of(folded(model), path), sample), sample)


@pytest.mark.full  # a minute
def test_a_qdq_file_of_the_imagenet_network(data_folder, tmp_path):
    model, sample = imagenet_network(data_folder)
    path = quantized(exported(model, sample, tmp_path / "net.onnx", dynamo=False), sample, **KEPT)
    module = from_onnx(path, scales=False)
    assert_same_integers(integers(module, sample), integers(with_weights_of(model, path), sample), sample)


def test_what_clips_like_an_activation_function_stays(tmp_path):
    """onnxruntime takes ReLU and ReLU6 out of a file where a quantizer from 0 on clips as they do."""
    for name in ("resnet8", "mobilenet_v2"):
        model, sample = network(name)
        module = from_onnx(quantized(exported(model, sample, tmp_path / "net.onnx", dynamo=False), sample))
        clips = [one for one in module.modules() if isinstance(one, nn.Hardtanh)]
        assert len(clips) == sum(isinstance(one, nn.ReLU6) for one in model.modules()) or name == "resnet8"
        assert clips and all(one.min_val == 0 for one in clips)
        with torch.no_grad():
            own, theirs = module(sample), model(sample)
        assert ((own - theirs).norm() / theirs.norm()) < 0.1  # weights of 8 bits


def test_scales_of_the_file_are_those_to_begin_with(tmp_path):
    model, sample = network("resnet8")
    path = quantized(exported(model, sample, tmp_path / "net.onnx", dynamo=False), sample, **SYMMETRIC)
    module = from_onnx(path)
    known = {name.removesuffix("_scale"): one for name, one in module.named_modules() if isinstance(one, KnownScale)}
    assert len(known) > 8
    prepared = prepare(module, sample)
    started = {n: m for n, m in prepared.named_modules() if isinstance(m, ActivationQuantizer)}
    inputs = next(one for name, one in known.items() if name.startswith("input"))
    top = 255  # images are never below 0
    assert started["asm.values.x"].scale.item() == pytest.approx(inputs.high / top)
    expected = {one.high / 255 for one in known.values()} | {one.high / 127 for one in known.values()}
    assert sum(any(math.isclose(m.scale.item(), e, rel_tol=1e-6) for e in expected) for m in started.values()) > 6
    fitted = prepare(from_onnx(path, scales=False), sample)
    assert {n: m.scale.item() for n, m in fitted.named_modules() if n in started} != {
        n: m.scale.item() for n, m in started.items()
    }
    assert prepare(module, sample, input_scale=0.25).get_submodule("asm.values.x").scale.item() == 0.25


@pytest.mark.parametrize("domain", [qonnx_models.DOMAIN, "onnx.brevitas"])
@pytest.mark.parametrize("name", qonnx_models.MODELS)
def test_qonnx_runs_through_to_integers(name, domain, tmp_path):
    """Its function with the quantizers is qonnx's, by `from_onnx`; weights are qonnx's values; integers follow floats."""
    made = qonnx_models.MODELS[name](domain)
    module = imported(made, tmp_path)
    wrapped = ModelWrapper(made).transform(InferShapes())
    shape = tuple(wrapped.get_tensor_shape("x"))
    generator = np.random.default_rng(1)
    sample = torch.from_numpy(generator.uniform(0 if name == "cnn" else -1, 1, (32, *shape[1:])).astype(np.float32))
    context = execute_onnx(wrapped, {"x": sample[:1].numpy()}, return_full_exec_context=True)
    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    weights = [
        n
        for n in made.graph.node
        if n.op_type in ("Quant", "BipolarQuant") and n.input[0] in {c.name for c in made.graph.initializer}
    ]
    assert len(layers) == len(weights)
    for layer, one in zip(layers, weights, strict=True):
        assert torch.equal(layer.weight.detach(), torch.from_numpy(context[one.output[0]]))
    network = integers(module, sample)
    own = network(network.quantize_input(sample)).double() * network.output_scale
    with torch.no_grad():
        theirs = module(sample)
    assert ((own - theirs).norm() / theirs.norm()) < 0.2
    answers = np.concatenate([execute_onnx(wrapped, {"x": one[None].numpy()})["y"] for one in sample])
    assert np.corrcoef(answers.ravel(), theirs.numpy().ravel())[0, 1] > 0.9


def quantizers(low_zero: bool, scale: float = 0.02):
    zero = np.array(0 if low_zero else 100, np.uint8)
    pair = [node("QuantizeLinear", np.float32(scale), zero, source="c", target="q")]
    return [*pair, node("DequantizeLinear", np.float32(scale), zero, source="q")]


def test_quantizers_below_and_from_zero(tmp_path):
    weight = np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    first = node("Conv", weight, target="c")
    for low_zero in (False, True):
        module = imported(chain(first, *quantizers(low_zero)), tmp_path)
        clips = [one for one in module.modules() if isinstance(one, nn.Hardtanh)]
        assert [(one.min_val, round(one.max_val, 4)) for one in clips] == ([(0.0, 5.1)] if low_zero else [])
        ranges = [(round(one.low, 4), round(one.high, 4)) for one in module.modules() if isinstance(one, KnownScale)]
        assert ranges == [(0.0, 5.1) if low_zero else (-2.0, 3.1)]


def test_a_quantizer_of_each_channel_has_no_scale(tmp_path):
    weight = np.ones((4, 3, 3, 3), np.float32)
    scale, zero = np.array([0.1, 0.2, 0.3, 0.4], np.float32), np.zeros(4, np.uint8)
    pair = [
        node("QuantizeLinear", scale, zero, source="c", target="q", axis=1),
        node("DequantizeLinear", scale, zero, source="q", axis=1),
    ]
    module = imported(chain(node("Conv", weight, target="c"), *pair), tmp_path)
    assert not [one for one in module.modules() if isinstance(one, KnownScale)]


def test_quantizers_that_part_are_refused(tmp_path):
    zero = np.array(0, np.uint8)
    first = node("QuantizeLinear", np.float32(0.1), zero, target="q")
    with pytest.raises(ParameterError, match=r"'DequantizeLinear_y'.*same scale and zero point"):
        imported(chain(first, node("DequantizeLinear", np.float32(0.2), zero, source="q")), tmp_path)
    with pytest.raises(
        ParameterError, match=r"'MaxPool_y' \(MaxPool, opset 18\).*a DequantizeLinear must come between"
    ):
        pool = node("MaxPool", source="q", kernel_shape=[2, 2], target="y")
        imported(chain(first, pool), tmp_path)


def test_a_quantizer_that_rounds_otherwise_is_refused(tmp_path, monkeypatch):
    """The check of quantizers can fail."""
    made = chain(node("Conv", np.ones((4, 3, 3, 3), np.float32), target="c"), *quantizers(True))
    monkeypatch.setitem(file_quantizers.ROUNDINGS, "ROUND", torch.floor)
    with pytest.raises(ParameterError, match="must round as in onnxruntime, and differs in"):
        imported(made, tmp_path)


def test_without_onnxruntime_a_warning_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("asm_hw.training.onnx_in.onnx_import.has_onnxruntime", lambda: False)
    with pytest.warns(UserWarning, match="not compared"):
        imported(chain(node("Relu")), tmp_path)
    assert file_comparison.has_onnxruntime()
