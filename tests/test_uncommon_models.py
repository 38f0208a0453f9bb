"""Models whose names, constants or states are uncommon: right, or refused by a sentence that says what is wrong."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from styled_models import Calls
from test_right_or_refused import FINE, images
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert
from asm_hw.training.prepare import prepare

pytestmark = pytest.mark.usefixtures("one_thread")


class Called(nn.Module):
    """A module that does ``call``, with the number ``held`` as parameter and as buffer."""

    def __init__(self, call, held=0.4):
        super().__init__()
        self.call, self.gamma = call, nn.Parameter(torch.tensor(held))
        self.scales = nn.Parameter(torch.linspace(0.5, 2.0, 4))
        self.register_buffer("offsets", torch.linspace(-1.0, 1.0, 4))
        self.register_buffer("count", torch.ones(()))

    def forward(self, x):
        return self.call(self, x)


def counting(module, x):
    module.calls = getattr(module, "calls", 0) + 1
    return x * module.calls


def counting_in_a_buffer(module, x):
    module.count += 1
    return x * module.count


def named(*names):
    layers = [nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(len(names))]
    return nn.Sequential(OrderedDict(zip(names, layers, strict=True)))


class ReservedTensors(nn.Module):
    def __init__(self):
        super().__init__()
        self.graph, self.graph_ = nn.Parameter(torch.rand(4, 1, 1)), nn.Conv2d(3, 4, 3)
        self.register_buffer("code", torch.rand(1, 4, 1, 1))

    def forward(self, x):
        return self.graph_(x) * self.graph + self.code


def layer_scale(module, x):
    return x + module.scales.view(1, -1, 1, 1) * x.relu() - module.scales.reshape((1, -1, 1, 1))


def layer_scale_by_index(module, x):
    return x + x.relu() * module.scales[None, :, None, None] + module.offsets.unsqueeze(-1).unsqueeze(-1)


RIGHT = {
    "factors reshaped": lambda: Calls(Called(layer_scale)),
    "factors reshaped by an index": lambda: Calls(Called(layer_scale_by_index)),
    "slices behind an ellipsis": lambda: Calls(Called(lambda m, x: x[..., ::2, 1:] - x[:, ..., :5, 1:])),
    "axes by NumPy's names": lambda: Calls(Called(lambda m, x: torch.concat([x, -x], axis=1)[:, ::2])),
    "limits one by one": lambda: Calls(Called(lambda m, x: x.clamp_min(-0.2) + torch.clamp_max(x, 0.1))),
    "one number added to all channels": lambda: Calls(Called(lambda m, x: x + m.gamma)),
    "one number added behind a sum": lambda: Calls(Called(lambda m, x: (x + x.relu()) * 2 - m.gamma)),
    "names of torch.fx and Python": lambda: named("self", "None", "print", "input", "graph", "class", "output"),
    "a name, and what it would be renamed to": lambda: named("class", "class_", "graph", "graph_"),
    "reserved names of tensors": ReservedTensors,
}

REFUSED = {
    "a call that modules are named after": (lambda m, x: x.to("cpu"), "module 'between' must consist of .* and to as"),
    "a limit that is no number": (lambda m, x: x.clamp(0.0, float("nan")), "module 'between' must .* clamp as it"),
    "an offset that is no number": (lambda m, x: x + float("nan"), "module 'between' must .* add as it"),
    "an infinite factor": (lambda m, x: x * float("inf"), "module 'between' must .* mul as it"),
    "a division by zero": (lambda m, x: x / 0, "module 'between' must .* truediv as it"),
    "a part without its dimension": (
        lambda m, x: x[:, 0].unsqueeze(1) + x,
        "getitem as it is called there has none: slices such as",
    ),
    "the number of inputs": (lambda m, x: x / x.shape[0], "module 'between' must not depend on how many inputs"),
    "the number of values": (lambda m, x: x.clamp(max=x.numel()), "module 'between' must not depend on how many inp"),
    "a counter": (counting, "model Calls must give the same for the same inputs"),
    "a counter in a buffer": (counting_in_a_buffer, "model Calls must give the same for the same inputs"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_integers_do_what_the_model_does(name):
    torch.manual_seed(1)
    model, x = RIGHT[name]().eval(), images()
    network = convert(quantize(model, x, feedback=False, **FINE))
    found = network(network.quantize_input(x)) * network.output_scale
    with torch.no_grad():
        wanted = model(x)
    assert ((found - wanted).abs().max() / wanted.abs().max()).item() < 0.06, "another function"


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_function_of_one_input_is_refused(name):
    call, sentence = REFUSED[name]
    with pytest.raises(ParameterError, match=sentence):
        prepare(Calls(Called(call)).eval(), images(), **FINE)


def test_factors_that_are_reshaped_are_trained_where_they_were():
    prepared = prepare(Calls(Called(layer_scale)), images(), **FINE)
    scales = dict(prepared.named_parameters())["between.scales"]
    assert scales.shape == (1, 4, 1, 1)
    prepared(images()).square().sum().backward()
    assert scales.grad.abs().min() > 0


def test_factors_read_in_two_shapes_are_refused():
    call = Called(lambda m, x: x * m.scales.view(1, -1, 1, 1) + m.scales.sum())
    with pytest.raises(ParameterError, match=r"module 'between' must .* view as it is called there has none"):
        prepare(Calls(call), images(), **FINE)


def scaled(by, bias=0.0):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 5))
    nn.init.constant_(model[3].bias, bias)
    model[0].weight.data.mul_(by)
    return model.eval()


def test_weights_and_values_without_a_scale_are_refused_by_prepare():
    with pytest.raises(ParameterError, match="the weights of '0' must have a scale in float32"):
        prepare(scaled(1e-42), images(), **FINE)
    model = scaled(1e38)
    model[0].bias.data.fill_(3e38)
    with pytest.raises(ParameterError, match=r"the values of '.*' on sample must have a scale"):
        prepare(model, images(), **FINE)


def test_a_bias_beyond_its_sums_names_the_layer():
    with pytest.raises(ParameterError, match=r"'3' must add a bias below 4.61e.18 of its units either way, not .*e.25"):
        convert(quantize(scaled(1.0, 1e20), images(), feedback=False, **FINE))
