"""Conversion without training: models that fit and models that do not, and the choice of multipliers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import weight_levels
from asm_hw.training.conv_padding import conv_padding
from asm_hw.training.convert import convert
from asm_hw.training.freeze import freeze
from asm_hw.training.models import digits_cnn
from asm_hw.training.prepare import prepare
from asm_hw.training.quantizer import Gain
from asm_hw.training.requantize_multipliers import COARSE, nearest_multiplier, scale_errors

SETS = [(1,), (1, 3), (1, 3, 5, 7), (1, 11), tuple(range(1, 16, 2))]
SHAPE = (1, 8, 8)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([nn.Conv2d(1, 2, 3), nn.Softmax2d(), nn.Conv2d(2, 2, 3)], "module '1' must consist of .* and Softmax2d"),
        ([nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")], "module '0' must pad with zeros, not circular"),
        ([nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(6, 2)], r"module '2' must take \[n, features\]"),
        (
            [
                nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.ReLU()),
                nn.Conv2d(2, 2, 3),
            ],
            "module '0.1' must keep running statistics",
        ),
    ],
)
def test_convert_names_the_module_that_does_not_fit(layers, sentence):
    with pytest.raises(ParameterError, match=sentence):
        prepare(nn.Sequential(*layers), torch.rand(4, 1, 8, 8))
    model = prepare(nn.Sequential(*layers), torch.rand(4, 1, 8, 8), strict=False)
    with pytest.raises(ParameterError, match=sentence):
        convert(model, SHAPE)


@pytest.mark.parametrize("padding", [0, 2, (1, 0), "valid", "same"], ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), ((2, 5), 1), ((4, 3), (3, 2))], ids=str)
def test_the_zeros_around_a_convolution_are_pytorch_s(padding, kernel, dilation):
    layer = nn.Conv2d(2, 3, kernel, padding=padding, dilation=dilation)
    x = torch.rand(2, 2, 11, 13, generator=torch.Generator().manual_seed(0))
    padded = F.pad(x, conv_padding(layer))
    assert torch.allclose(F.conv2d(padded, layer.weight, layer.bias, dilation=dilation), layer(x), atol=1e-6)


def test_convert_refuses_an_unprepared_model():
    with pytest.raises(ParameterError, match="model Sequential must be prepared"):
        convert(digits_cnn(), SHAPE)


@pytest.mark.parametrize("alphabets", SETS, ids=str)
def test_chosen_multiplier_is_the_best_of_all(alphabets):
    code = weight_levels(AlphabetSet(alphabets), 16)
    draw = torch.rand(20, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    ratio = torch.cat([torch.exp2(-12 * draw) * torch.tensor([1.0, -1.0]).repeat(10), torch.tensor([0.0])])
    level, shift, error = nearest_multiplier(ratio, code)
    for r, m, s, e in zip(ratio.tolist(), level.tolist(), shift.tolist(), error.tolist(), strict=True):
        assert m in code
        if r:
            assert abs(m / 2**s / r - 1) == pytest.approx(e, abs=1e-12)
            assert e <= min(abs(code.nearest(r * 2**k) / 2**k / r - 1) for k in range(32)) + 1e-12
        else:
            assert (m, e) == (0, 0)


def test_groups_bias_and_no_norm_convert():
    images = torch.randint(0, 17, (400, 1, 8, 8), generator=torch.Generator().manual_seed(0)) / 16
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()),
            nn.Conv2d(4, 4, 3, padding=(0, 1), stride=(2, 1), groups=4),  # its bias goes through the norm
            nn.BatchNorm2d(4, affine=False),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(96, 6),
            nn.ReLU(),
            nn.Linear(6, 3, bias=False),
        )
    with torch.no_grad():
        model[1].bias.copy_(torch.tensor([1.0, -2.0, 3.0, 0.5]))
    for _ in range(50):
        model(images)  # running statistics
    prepared = prepare(model, images[:200], input_scale=1 / 16).eval()
    freeze(prepared)
    network = convert(prepared, SHAPE)
    assert [layer.name for layer in network.layers] == ["0.0", "1", "5", "7"]
    with torch.no_grad():
        steps = (network(network.quantize_input(images)) - prepared(images) / network.output_scale).abs()
    assert (steps <= 1).double().mean() >= 0.99


def test_what_joins_with_a_small_scale_has_a_multiplier_of_its_own_precision():
    """One of two stored tensors counts a hundredth: the shift is long enough for its multiplier, too."""

    class Difference(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.last = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.last((torch.relu(self.a(x)) - 0.01 * torch.relu(self.b(x))).mean((2, 3)))

    torch.manual_seed(0)
    formats = {"alphabets": (1, 3, 5, 7), "weight_bits": 8, "act_bits": 12, "residual_bits": 14}
    prepared = prepare(Difference().eval(), torch.randn(16, *SHAPE), **formats)
    freeze(prepared)
    gains = torch.cat([module.factor.flatten() for module in prepared.modules() if isinstance(module, Gain)])
    assert (gains - 1).abs().max() < 2 * COARSE
    assert max(scale_errors(prepared).values()) < 1e-6
