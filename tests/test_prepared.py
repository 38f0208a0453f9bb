"""What functions on a prepared model keep: modes, a refused model, sums of a tensor with itself, limits."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
from styled_models import SHAPE, Foreign, agreement, build, images, train_a_little
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.golden import finest_shift
from asm_hw.training.calibrate import calibrate, correct_norms, reestimate_norms
from asm_hw.training.convert import convert
from asm_hw.training.freeze import freeze, settle
from asm_hw.training.prepare import prepare
from asm_hw.training.quantizer import anneal
from asm_hw.training.requantize_multipliers import scale_errors

pytestmark = pytest.mark.usefixtures("one_thread")


def modes(model):
    return {path: module.training for path, module in model.named_modules() if not path.startswith("asm")}


def trainable(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_every_module_keeps_its_mode():
    """One norm is in evaluation mode, as those that a user froze."""
    model = build(Foreign).train()
    model.norm.eval()
    prepared = prepare(model, images(64))
    before = modes(prepared)
    assert {path: mode for path, mode in modes(model).items() if path != "cut"}.items() <= before.items()
    assert before[""] and before["stem.0.1"] and not before["norm"]
    calls = (
        lambda: scale_errors(prepared),
        lambda: calibrate(prepared, [images(32)]),
        lambda: reestimate_norms(prepared, [images(32)]),
        lambda: convert(prepared),
        lambda: freeze(prepared),
        lambda: correct_norms(prepared, model, images(32)),
        lambda: settle(prepared),
    )
    for call in calls:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converted before it is frozen
            call()
        assert modes(prepared) == before and model.training


def test_a_refused_freeze_moves_nothing():
    prepared = prepare(build(Foreign), images(64), overrides={"head": None}, strict=False)
    before, trained = copy.deepcopy(prepared.state_dict()), trainable(prepared)
    with pytest.raises(ParameterError, match="module 'head' must be quantized"):
        freeze(prepared)
    assert all(torch.equal(value, before[name]) for name, value in prepared.state_dict().items())
    assert trainable(prepared) == trained


def test_a_share_of_the_full_set_is_refused():
    prepared = prepare(build(Foreign), images(64))
    anneal(prepared, 0.3)
    for act in (freeze, convert):
        with pytest.raises(ParameterError, match=r"module 'stem\.0\.0' must be annealed to a share of 1, not 0\.3"):
            act(prepared)


def test_one_bit_holds_no_signed_tensor():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(400, 5))
    with pytest.raises(ParameterError, match=r"act_bits must be at least 2 where values may be .* '0', not 1"):
        prepare(model, images(8), act_bits=1)


def test_there_must_be_images():
    prepared = prepare(build(Foreign), images(64))
    means = prepared.norm.running_mean.clone()
    with pytest.raises(ParameterError, match="batches must hold at least one batch"):
        calibrate(prepared, [])
    with pytest.raises(ParameterError, match="batches must hold at least one batch"):
        reestimate_norms(prepared, [])
    assert torch.equal(prepared.norm.running_mean, means)


NAN = float("nan")
WRONG = {
    "sample none": (lambda p, x: prepare(p, x[:0]), "sample must hold at least one input, not none"),
    "sample nan": (lambda p, x: prepare(p, x * NAN), "sample must hold finite numbers"),
    "sample list": (lambda p, x: prepare(p, [1.0]), r"sample must be a float32 tensor \[n, ...\], not list"),
    "sample double": (lambda p, x: prepare(p, x.double()), r"sample must be a float32 .* not torch.float64 \[8, 3"),
    "sample shape": (
        lambda p, x: prepare(build(Foreign), x[:, :2]),
        r"inputs of shape \[2, 12, 12\] must fit the model",
    ),
    "model none": (lambda p, x: prepare(None, x), "model must be a torch.nn.Module, not NoneType"),
    "model half": (lambda p, x: prepare(build(Foreign).half(), x), r"float32 parameters, and .* is torch.float16"),
    "input shape": (lambda p, x: convert(p, (3, -1, 12)), r"input_shape must be sizes of at least 1, .* not \(3, -1"),
    "input shape unfit": (lambda p, x: convert(p, (2, 12, 12)), r"inputs of shape \[2, 12, 12\] must fit the model"),
    "calibrated on nan": (lambda p, x: calibrate(p, [x, x * NAN]), "batches must hold finite numbers"),
    "calibrated on none": (lambda p, x: calibrate(p, [x[:0]]), "batches must hold at least one input"),
    "estimated on nan": (lambda p, x: reestimate_norms(p, [x * NAN]), "batches must hold finite numbers"),
    "corrected on other": (lambda p, x: correct_norms(p, p, x[:, :, 1:]), r"images must be .* \[n, 3, 12, 12\], not"),
    "corrected by other": (lambda p, x: correct_norms(p, nn.ReLU(), x), "reference must be .* no norm at 'stem.0.1'"),
    "share 2": (lambda p, x: anneal(p, 2), "share must be a number from 0 to 1, not 2"),
    "share nan": (lambda p, x: anneal(p, NAN), "share must be a number from 0 to 1, not nan"),
    "share text": (lambda p, x: anneal(p, "a"), "share must be a number from 0 to 1, not 'a'"),
    "unprepared": (lambda p, x: anneal(nn.ReLU(), 1), "model ReLU must be prepared"),
    "override": (lambda p, x: prepare(build(Foreign), x, overrides={"head": 3}), "settings of module 'head' .* not 3"),
    "edge": (lambda p, x: prepare(build(Foreign), x, edge=3), "edge must be settings by name, such as .* not 3"),
    "input scale": (lambda p, x: prepare(build(Foreign), x, input_scale=True), "input_scale must be .* not True"),
    "integers of nan": (lambda p, x: frozen(p).quantize_input(x * NAN), "values must be a tensor of finite real"),
}


def frozen(prepared):
    freeze(prepared)
    return convert(prepared)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_input_is_refused_and_changes_nothing(case):
    act, sentence = WRONG[case]
    prepared = prepare(build(Foreign), images(64))
    before = copy.deepcopy(prepared.state_dict())
    with pytest.raises(ParameterError, match=sentence):
        act(prepared, images(8))
    if case != "integers of nan":
        assert all(torch.equal(value, before[name]) for name, value in prepared.state_dict().items())


@pytest.mark.parametrize("name", ["head.weight", "shared.bias", "norm.running_var", "stem.0.1.weight"])
@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_numbers_that_are_not_finite_are_refused(name, value):
    model = build(Foreign)
    prepared = prepare(model, images(64))
    model.state_dict()[name].view(-1)[0] = value
    with pytest.raises(ParameterError, match=f"model must hold finite numbers, and '{name}' holds others"):
        prepare(model, images(64))
    stored = name.replace("head.weight", "head.parametrizations.weight.original")
    prepared.state_dict()[stored].view(-1)[0] = value
    for act in (freeze, convert):
        with pytest.raises(ParameterError, match=f"model must hold finite numbers, and '{stored}' holds others"):
            act(prepared)


class Doubled(nn.Module):
    """A tensor is added to itself."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Linear(400, 5)

    def forward(self, x):
        y = F.relu(self.one(x))
        return self.two(F.relu(y + y).flatten(1))


@pytest.mark.parametrize("alphabets", [(1,), (1, 3)])
def test_a_tensor_added_to_itself(alphabets):
    prepared = prepare(build(Doubled), images(64), alphabets=alphabets, edge={})
    with torch.no_grad():  # as training would move them: no ratio is a level by chance
        for i, (name, parameter) in enumerate(prepared.named_parameters()):
            if name.endswith("log2_scale") and parameter.requires_grad:
                parameter.add_(0.07 * (i + 1))
    train_a_little(prepared)
    freeze(prepared)
    assert max(scale_errors(prepared).values()) < 1e-6
    settle(prepared)
    assert agreement(prepared, convert(prepared)).max() < 0.51


class Clamped(nn.Module):
    """Values far above the limit of a clamp."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 1), nn.Linear(4 * SHAPE[1] * SHAPE[2], 5)

    def forward(self, x):
        return self.two(F.relu6(self.one(x)).flatten(1))


@pytest.mark.parametrize("steps", [200.3, 200.49995, 200.5, 200.7])
def test_a_limit_is_rounded_as_values_are(steps):
    """A hair below half a step, where the quantizer rounds up."""
    model = build(Clamped)
    with torch.no_grad():
        model.one.weight.mul_(30)
    prepared = prepare(model, images(64), alphabets=(1, 3), edge={})
    quantizer = next(m for name, m in prepared.named_modules() if name.startswith("asm.values.relu6"))
    with torch.no_grad():
        quantizer.log2_scale.fill_(torch.tensor(6 / steps, dtype=torch.float64).log2())
    freeze(prepared)
    settle(prepared.eval())
    assert agreement(prepared, convert(prepared)).max() < 0.51


@pytest.mark.parametrize("below", [2**-12, 2**-14, 0.0])
def test_a_channel_of_tiny_ratios_rounds_as_the_others(below):
    """Its multiplier needs a longer shift, so that its sums can lie closer below half a step than theirs."""
    model = build(Clamped)
    with torch.no_grad():
        model.one.weight[0].mul_(1e-7)
    prepared = prepare(model, images(64), alphabets=(1, 3), edge={})
    freeze(prepared)
    quantizer = next(m for name, m in prepared.named_modules() if name.startswith("asm.values.relu6"))
    with torch.no_grad():
        prepared.one.bias[0] = 10.5 * quantizer.scale - below * quantizer.scale
    settle(prepared.eval())
    network = convert(prepared)
    assert network.layers[0].requantize.shift[0] > finest_shift(8) >= network.layers[0].requantize.shift[1:].max()
    assert agreement(prepared, network).max() < 0.51
