"""Legal PyTorch models of uncommon style: their integers do what they do, or `prepare` says why not."""

from __future__ import annotations

import pytest
import torch
from inplace_and_hooks import MODELS, REFUSED

from asm_hw.errors import ParameterError
from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert
from asm_hw.training.prepare import prepare

pytestmark = pytest.mark.usefixtures("one_thread")

FINE = {"alphabets": tuple(range(1, 16, 2)), "weight_bits": 8, "act_bits": 8}


def images():
    """Images of unlike contrast, so that a model tells them apart."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(32, 3, 12, 12, generator=generator) * torch.rand(32, 3, 1, 1, generator=generator) * 3


def built(model):
    torch.manual_seed(1)
    return model().eval()


@pytest.mark.parametrize("name", MODELS)
def test_integers_do_what_the_model_does(name):
    model, x = built(MODELS[name]), images()
    with torch.no_grad():
        wanted = model(x.clone())
    network = convert(quantize(model, x, **FINE))
    found = network(network.quantize_input(x)) * network.output_scale
    error = ((found - wanted).abs().max() / wanted.abs().max()).item()
    assert error < 0.02, "another function"


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_integers_is_refused_before_training(name):
    model, sentence = REFUSED[name]
    with pytest.raises(ParameterError, match=sentence):
        prepare(built(model), images(), **FINE)
