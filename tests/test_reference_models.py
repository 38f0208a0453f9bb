"""The reference models: sizes, names of weights, stems, and functions that give no model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.training.data import load_data
from asm_hw.training.models import MODELS, make_model

FLOAT_START = "resnet_cifar10/resnet20-12fca82f.th"


PARAMETERS = {
    ("resnet20", 10, 32): 269_722,
    ("resnet32", 10, 32): 464_154,
    ("resnet56", 10, 32): 853_018,
    ("resnet18", 1000, 224): 11_689_512,
    ("mobilenet_v2", 1000, 224): 3_504_872,
    # MLPerf Tiny's 78,666 without running statistics and without biases before a norm.
    ("resnet8", 10, 32): 78_666 - 480 - 240,
    ("mobilenet_v1", 1000, 224): 470_072,
}


@pytest.mark.parametrize(("name", "classes", "size"), PARAMETERS)
def test_models_are_as_large_as_published(name, classes, size):
    model = make_model(name, classes, size, seed=0)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name, classes, size]


@pytest.mark.parametrize("name", MODELS)
def test_models_give_logits_and_follow_the_seed(name):
    shape = (1, 8, 8) if name == "digits_cnn" else (3, 32, 32)
    one, again, other = (make_model(name, 10, 32, seed).eval() for seed in (1, 1, 2))
    with torch.no_grad():
        assert one(torch.rand(2, *shape)).shape == (2, 10)
    for same, seeded in ((True, again), (False, other)):
        pairs = zip(one.parameters(), seeded.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs) == same


def test_names_of_public_weights():
    names = make_model("resnet18", 1000, 224, 0).state_dict()
    assert {"conv1.weight", "layer2.0.downsample.1.running_var", "layer4.1.bn2.bias", "fc.bias"} <= names.keys()
    names = make_model("mobilenet_v2", 1000, 224, 0).state_dict()
    assert {"features.0.0.weight", "features.1.conv.0.1.bias", "features.1.conv.1.weight", "features.2.conv.1.0.weight",
            "features.2.conv.3.running_mean", "features.18.1.weight", "classifier.1.bias"} <= names.keys()  # fmt: skip


def test_small_images_keep_their_size_in_the_stem():
    for name, size in (("resnet18", 4), ("mobilenet_v2", 4), ("mobilenet_v1", 4)):
        model = make_model(name, 10, 32, 0).eval()
        shapes = []
        last = model.layer4 if name == "resnet18" else model.features
        last.register_forward_hook(lambda module, args, out, shapes=shapes: shapes.append(out.shape[-1]))
        model(torch.rand(1, 3, 32, 32))
        assert shapes == [size]


def test_functions_that_give_no_model():
    with pytest.raises(ParameterError, match=r"model must be module:function or one of .*resnet20.*, not 'vgg'"):
        make_model("vgg", 10, 32, 0)
    with pytest.raises(ParameterError, match="must name a function"):
        make_model("torch:float32", 10, 32, 0)
    with pytest.raises(ParameterError, match=r"must give a torch.nn.Module, not int"):
        make_model("tiny_training:not_a_model", 10, 32, 0)
    assert isinstance(make_model("tiny_training:plain", 4, 8, 0), nn.Module)


@pytest.mark.full
def test_the_float_start_reaches_its_accuracy(data_folder, monkeypatch):
    """91.73 % of the test images, as its authors say: names, shortcuts, normalisation and test set agree."""
    from asm_hw.training.checkpoint import load_state, read_state
    from asm_hw.training.evaluate import evaluate
    from asm_hw.training.run_options import find_init

    monkeypatch.setenv("ASM_HW_DATA", str(data_folder))
    model = make_model("resnet20", 10, 32, 0)
    load_state(model, read_state(find_init(FLOAT_START)), "init")
    model = model.to(memory_format=torch.channels_last)
    assert evaluate(model, load_data("cifar10").test) == pytest.approx(0.9173)
