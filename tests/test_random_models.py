"""Random models: the integers do what the model does, or `prepare` refuses; never another function without a word."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from random_models import FORMLESS, RandomModel

from asm_hw.errors import ParameterError
from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert

pytestmark = pytest.mark.usefixtures("one_thread")

FINE = {"alphabets": tuple(range(1, 16, 2)), "weight_bits": 12, "act_bits": 12, "residual_bits": 14}
"""Formats in which quantization itself costs next to nothing."""
CLOSE = 0.02
"""Of the largest value: so far integers may be off."""
REASONS = ("in training mode it does not", "must not read part of a tensor that was overwritten")
"""Of refusals of steps that all have an integer form; the second where dimensions of one memory have another order."""


def judge(seed, x):
    """``right``, or ``refused``; a model of steps that all have an integer form for one of `REASONS`."""
    model = RandomModel(seed).eval()
    with torch.no_grad():
        wanted = model(x.clone())
    try:
        network = convert(quantize(model, x, feedback=seed % 2 == 0, **FINE))
    except ParameterError as error:
        known = FORMLESS & set(model.steps) or any(reason in str(error) for reason in REASONS)
        assert known, (seed, model.steps, error)
        return "refused"
    found = network(network.quantize_input(x)) * network.output_scale
    off = ((found - wanted).abs().max() / wanted.abs().max()).item()
    assert off < CLOSE, (seed, model.steps, off)
    return "right"


def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(24, 3, 6, 6, generator=generator) * torch.rand(24, 3, 1, 1, generator=generator) * 3


@pytest.fixture
def fine(monkeypatch):
    """Tables as fine as all else, so that what they cost does not hide another function."""
    for module in ("network.integer_table", "training.quantizer_insertion"):
        monkeypatch.setattr(f"asm_hw.{module}.TABLE_BITS", FINE["residual_bits"])


@pytest.mark.usefixtures("fine")
@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 2000), marks=pytest.mark.full)], ids=str)
def test_no_random_model_is_another_function(seeds):
    x = images()
    found = Counter(judge(seed, x) for seed in seeds)
    assert found["right"] > len(seeds) / 2
