"""Fake quantizers against plain Python and against finite differences."""

from __future__ import annotations

import pytest
import torch

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import LevelCode, weight_levels
from asm_hw.training.levels import NearestLevel, fit_scale
from asm_hw.training.quantizer import ActivationQuantizer, WeightQuantizer, fake_quantize

SETS = [(1,), (1, 3), (1, 3, 5, 7), (1, 11), tuple(range(1, 16, 2))]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [1, 4, 7, 8, 11])
@pytest.mark.parametrize("alphabets", SETS, ids=str)
def test_nearest_level_is_the_encoder_s(alphabets, bits, signed):
    code = LevelCode(AlphabetSet(alphabets), bits, signed)
    ties = [(a + b) / 2 for a, b in zip(code.magnitudes, code.magnitudes[1:], strict=False)]
    values = [float(m) for m in code.magnitudes] + ties + [t + d for t in ties for d in (-1e-3, 1e-3)]
    values += torch.empty(500).uniform_(0, 1.5 * code.max, generator=torch.Generator().manual_seed(bits)).tolist()
    values = [sign * v for v in [*values, 2.0 * code.max, 1e9] for sign in (1, -1)]
    for dtype in (torch.float32, torch.float64):
        tensor = torch.tensor(values, dtype=dtype)
        assert NearestLevel(code)(tensor).tolist() == [code.nearest(v) for v in tensor.tolist()]


def test_nearest_level_of_16_bits_has_exact_ties():
    code = weight_levels(AlphabetSet((1, 3)), 16)
    ties = torch.tensor([(a + b) / 2 for a, b in zip(code.magnitudes, code.magnitudes[1:], strict=False)])
    assert NearestLevel(code)(ties).tolist() == [float(m) for m in code.magnitudes[:-1]]


@pytest.mark.parametrize("per_channel", [True, False])
def test_weight_quantizer_is_scale_times_level(per_channel):
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    quantizer = WeightQuantizer(weight, ProductFormat.of().weight, per_channel)
    scales, code = quantizer.scale.tolist(), weight_levels(AlphabetSet((1, 3)), 5)
    assert len(scales) == (5 if per_channel else 1)
    for channel, row in enumerate(weight):
        scale = torch.tensor(scales[channel if per_channel else 0])
        levels = [code.nearest((w / scale).item()) for w in row.flatten()]
        assert quantizer.integers(weight)[channel].flatten().tolist() == levels
        assert torch.equal(quantizer(weight)[channel].flatten(), torch.tensor(levels) * scale)


def test_fit_scale_finds_the_scale_that_made_the_values():
    code = weight_levels(AlphabetSet((1,)), 8)
    nearest = NearestLevel(code)
    levels = torch.tensor(code.levels, dtype=torch.float32)
    rows = torch.stack([levels * 0.01, levels * 3, torch.zeros_like(levels)])
    scale = fit_scale(rows, nearest, code.max)
    assert torch.allclose(scale, torch.tensor([0.01, 3.0, 1.0]))
    uneven = torch.randn(1, 400, generator=torch.Generator().manual_seed(1))
    best = fit_scale(uneven, nearest, code.max)

    def error(s):
        return (nearest(uneven / s) * s - uneven).square().sum()

    assert all(error(best) <= error(uneven.abs().max() / code.max * r) for r in (0.5, 0.75, 1.0, 1.15))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_fit_scale_clips_long_tails(bits):
    """The least error of 600 scales over the whole range, within the distance of two that the search tries."""
    values = torch.empty(64, 1024).exponential_(generator=torch.Generator().manual_seed(1))
    quantizer = ActivationQuantizer(values, ActivationFormat(bits))
    largest = values.max() / ((1 << bits) - 1)
    scales = largest * torch.linspace(0.01, 1.2, 600)
    errors = torch.stack([(quantizer.round(values / s) * s - values).square().sum() for s in scales])
    assert quantizer.scale.item() == pytest.approx(scales[errors.argmin()].item(), rel=0.03)


def test_gradients_are_straight_through_and_lsq():
    code = weight_levels(AlphabetSet((1, 3)), 5)  # magnitudes up to 12
    scale = torch.tensor(0.5, requires_grad=True)
    values = torch.tensor([0.3, -1.1, 2.6, 9.0, -9.0], requires_grad=True)
    upstream = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    fake_quantize(values, scale, NearestLevel(code), code.min, code.max, 0.25).backward(upstream)
    assert values.grad.tolist() == [1, 2, 3, 0, 0]
    expected = 0.0
    for value, up in zip([0.3, -1.1, 2.6, 9.0, -9.0], upstream.tolist(), strict=True):
        ratio = value / 0.5
        expected += up * (code.nearest(ratio) - ratio if abs(ratio) <= code.max else code.nearest(ratio))
    assert scale.grad.item() == pytest.approx(0.25 * expected, rel=1e-5)


@pytest.mark.parametrize("alphabets", SETS, ids=str)
def test_scale_gradient_is_the_slope_over_many_values(alphabets):
    """A single value jumps between levels; over a dense range the LSQ gradient is the true derivative."""
    code = weight_levels(AlphabetSet(alphabets), 5)
    values = torch.linspace(0, 1.5 * code.max * 0.37, 400_001, dtype=torch.float64)
    scale = torch.tensor(0.37, dtype=torch.float64, requires_grad=True)

    def total(s):
        return fake_quantize(values, s, NearestLevel(code), code.min, code.max, 1.0).mean()

    total(scale).backward()
    with torch.no_grad():
        slope = (total(scale + 1e-3) - total(scale - 1e-3)) / 2e-3
    assert scale.grad.item() == pytest.approx(slope.item(), rel=1e-2)


@pytest.mark.parametrize("act_alphabets", [None, (1, 3)])
def test_activation_quantizer_is_plain_rounding(act_alphabets):
    stored = ProductFormat.of(act_bits=4, act_alphabets=act_alphabets).activation
    sample = torch.tensor([[-1.0, 0.0, 0.124, 0.125, 0.126, 0.374, 0.375, 1.2, 1.9, 2.9, 3.75, 9.0]])
    quantizer = ActivationQuantizer(sample, stored, scale=0.25)
    rounded = [0, 0, 0, 1, 1, 1, 2, 5, 8, 12, 15, 15]  # half goes up, as in the requantize unit
    if act_alphabets:
        rounded = [stored.levels.nearest(v) for v in rounded]
    assert quantizer.integers(sample).tolist() == [rounded]
    assert quantizer(sample).tolist() == [[0.25 * v for v in rounded]]
    assert not quantizer.log2_scale.requires_grad
    assert ActivationQuantizer(sample, stored).log2_scale.requires_grad


def test_scales_keep_the_bits_of_a_float32():
    """A float32 logarithm would be off by up to 3e-7, which ties at 100 steps do not survive."""
    values = torch.rand(200, generator=torch.Generator().manual_seed(0)) * 2e-4 + 1e-5
    quantizer = WeightQuantizer(torch.ones(200, 4), ProductFormat.of((1, 3)).weight)
    quantizer.log2_scale.data.copy_(values.double().log2())
    assert torch.equal(quantizer.scale, values) and quantizer.scale.dtype == torch.float32
