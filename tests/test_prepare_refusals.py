"""Models and settings that give no integers: each is one sentence that names what does not fit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from styled_models import SHAPE, Calls, images
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.training.convert import convert
from asm_hw.training.prepare import prepare

pytestmark = pytest.mark.usefixtures("one_thread")


class Softmax(nn.Module):
    def forward(self, x):
        return F.softmax(x, 1)


class Gate(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


class Root(nn.Module):
    def forward(self, x):
        return x**0.5


class ClampByTensor(nn.Module):
    def forward(self, x):
        return x.clamp(x.mean() - 1, 2.0)


@pytest.mark.parametrize(
    ("between", "sentence"),
    [
        (ClampByTensor(), "module 'between' must consist of .* mean"),
        (Softmax(), "module 'between' must consist of .* softmax"),
        (Gate(), "module 'between' must consist of .* mul .*: a product of two tensors would need a multiplier"),
        (nn.PReLU(4), "module 'between' must .* PReLU .*: one with the same slope for all channels has one"),
        (nn.RReLU(), "module 'between' must .* RReLU .*: LeakyReLU has one"),
        (Root(), "module 'between' must be a function of every number that is stored, and pow of -.* is none"),
        (nn.AdaptiveAvgPool2d(30), "module 'between' must .* AdaptiveAvgPool2d"),
        (nn.MaxPool2d(2, dilation=2), "module 'between' must .* MaxPool2d"),
        (nn.GroupNorm(2, 4), "module 'between' must .* GroupNorm"),
    ],
)
def test_what_has_no_integer_form_is_named(between, sentence):
    with pytest.raises(ParameterError, match=sentence):
        prepare(Calls(between), images(8))
    prepared = prepare(Calls(between), images(8), strict=False)  # trains in float there
    with pytest.raises(ParameterError, match=sentence):
        convert(prepared, SHAPE)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.one(x) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"overrides": {"none": None}},
            "layers must be Conv1d, Conv2d or Linear modules that the model calls, such as 'one', not 'none'",
        ),
        ({"overrides": {"one": {"bits": 3}}}, "settings of module 'one' must be among .*, not 'bits'"),
        ({"overrides": {"one": {"alphabets": (2,)}}}, "module 'one': alphabet 2 must be odd"),
        ({"edge": {"weight_bits": 1}}, "module 'one': weight_bits must be an integer from 2 to 16"),
        ({"residual_bits": 17}, "residual_bits must be an integer from 1 to 16, not 17"),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(ParameterError, match=sentence):
        prepare(Calls(nn.ReLU()), images(8), **settings)


def test_a_sample_that_is_not_finite_is_refused():
    with pytest.raises(ParameterError, match="sample must hold finite numbers"):
        prepare(Calls(nn.ReLU()), images(8) / 0)


def test_all_that_has_no_integer_form_is_named_at_once():
    with pytest.raises(ParameterError) as refused:
        prepare(Calls(nn.Sequential(nn.RReLU(), nn.GroupNorm(2, 4), nn.GELU(), nn.Softmax2d())), images(8))
    sentences = str(refused.value).splitlines()
    assert [s.split("'")[1] for s in sentences[:-1]] == ["between.0", "between.1", "between.3"]
    assert "strict=False" in sentences[-1]


def test_untraceable_models_are_refused():
    with pytest.raises(ParameterError, match=r"model Branching must be traceable by torch.fx"):
        prepare(Branching(), images(8))
