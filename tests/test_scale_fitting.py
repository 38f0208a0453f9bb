"""What scales are fitted on: some values of many images, and a histogram in the place of long rows."""

from __future__ import annotations

import pytest
import torch

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.training import levels
from asm_hw.training.prepare import prepare
from asm_hw.training.quantizer import ActivationQuantizer
from asm_hw.training.scale_fitting import FIT_IMAGES, FIT_VALUES, subsample


@pytest.mark.parametrize("shape", [(500, 3, 32, 32), (100, 64, 56, 56), (40, 16, 224, 224), (7, 10), (3000, 1000)])
def test_many_images_lend_some_values(shape):
    values = torch.zeros(shape) + torch.arange(shape[0]).view(-1, *[1] * (len(shape) - 1))
    kept = subsample(values)
    assert len(kept.flatten(1)[:, 0].unique()) >= min(FIT_IMAGES, shape[0])
    assert kept.numel() <= 2.5 * max(FIT_VALUES, FIT_IMAGES) and kept.shape[1] == shape[1]
    assert kept.numel() >= min(values.numel(), FIT_VALUES // 4)


@pytest.mark.parametrize(
    "stored", [ActivationFormat(8, True), ActivationFormat(4), ActivationFormat(5, alphabets=AlphabetSet((1, 3)))]
)
def test_a_histogram_gives_the_scale_of_all_values_or_the_next_one(stored, monkeypatch):
    torch.manual_seed(0)
    step = levels.FIT_RATIOS[1] / levels.FIT_RATIOS[0]
    same = 0
    for spread in (0.1, 0.5, 1.0, 3.0, 7.0):
        values = (torch.randn(1 << 16) * spread).clamp(max=2.0 * spread)
        monkeypatch.setattr(levels, "BINS", 1 << 14)
        binned = ActivationQuantizer(values, stored).scale.item()
        monkeypatch.setattr(levels, "BINS", 1 << 30)
        exact = ActivationQuantizer(values, stored).scale.item()
        assert abs(binned / exact - 1) < 1.01 * (step - 1)
        same += binned == exact
    assert same >= 4


def test_an_input_that_reaches_further_below_zero_just_fits():
    """Bytes about 128: -1 is the smallest integer, so that no byte is rounded."""
    images = (torch.arange(256).view(16, 1, 4, 4) - 128) / 128
    prepared = prepare(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)), images, alphabets=(1, 3))
    quantizer = next(m for m in prepared.modules() if isinstance(m, ActivationQuantizer))
    assert quantizer.scale.item() == 1 / 128 and torch.equal(quantizer(images), images)
