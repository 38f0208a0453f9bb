"""Networks by way of ONNX: their integers are those of the PyTorch way."""

from __future__ import annotations

import pytest
import torch
from onnx_networks import (
    EXPORTS,
    NETWORKS,
    assert_same_integers,
    exported,
    folded,
    imagenet_network,
    integers,
    network,
    take_weights,
)
from torch import nn

from asm_hw import from_onnx

pytestmark = pytest.mark.usefixtures("one_thread")


FOLDED = [
    ("resnet8", "TorchScript, norms folded"),
    ("resnet20", "torch.export, norms folded"),
    ("ds_cnn", "TorchScript, norms folded"),
    ("mobilenet_v2", "torch.export, norms folded"),
    *[pytest.param(name, "torch.export, norms folded", marks=pytest.mark.full) for name in ("resnet8", "ds_cnn")],
    *[pytest.param(name, "TorchScript, norms folded", marks=pytest.mark.full) for name in ("resnet20", "mobilenet_v2")],
]
"""Networks and exporters; `full`: the same code once more."""


@pytest.fixture(scope="module", params=NETWORKS)
def made(request):
    """A network, a sample and its integers."""
    model, sample = network(request.param)
    return model, sample, integers(model, sample)


@pytest.mark.parametrize("export", [name for name in EXPORTS if "folded" not in name])
def test_an_export_with_norms_gives_the_same_integers(made, export, tmp_path):
    model, sample, wanted = made
    module = from_onnx(exported(model, sample, tmp_path / "net.onnx", **EXPORTS[export]))
    with torch.no_grad():
        assert torch.equal(module(sample), model(sample))
    assert_same_integers(integers(module, sample), wanted, sample)


@pytest.mark.parametrize(("name", "export"), FOLDED)
def test_an_export_with_folded_norms_gives_the_integers_of_the_folded_module(name, export, tmp_path):
    """Exporters and PyTorch fold norms alike but for the last bit of a float: the module takes the file's weights."""
    model, sample = network(name)
    module = from_onnx(exported(model, sample, tmp_path / "net.onnx", **EXPORTS[export]))
    assert not [one for one in module.modules() if isinstance(one, nn.BatchNorm2d)]
    reference = folded(model)
    assert take_weights(reference, module) < 1e-5
    with torch.no_grad():
        assert torch.allclose(module(sample), model(sample), atol=1e-4 * model(sample).abs().max().item())
    assert_same_integers(integers(module, sample), integers(reference, sample), sample)


IMAGENET = [pytest.param(name, marks=pytest.mark.full) for name in EXPORTS]
"""A minute each."""


@pytest.mark.parametrize("export", IMAGENET)
def test_the_imagenet_network(export, data_folder, tmp_path):
    """TensorFlow's padding, folded norms, real weights; 64 pixels, to be done in seconds."""
    model, sample = imagenet_network(data_folder)
    module = from_onnx(exported(model, sample, tmp_path / "net.onnx", **EXPORTS[export]))
    assert_same_integers(integers(module, sample), integers(model, sample), sample)


def test_layers_keep_the_names_of_pytorch(tmp_path):
    model, sample = network("resnet8")
    for how in EXPORTS.values():
        module = from_onnx(exported(model, sample, tmp_path / "net.onnx", **how))
        layers = [
            [n for n, m in one.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)] for one in (module, model)
        ]
        assert sorted(layers[0]) == sorted(layers[1])
