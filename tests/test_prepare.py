"""Models of any style: prepared, trained a little, converted; the integers must do what the float model does."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.network.integer_operations import IntegerConcat, IntegerMaxPool, IntegerMove, IntegerSum, IntegerSumPool
from asm_hw.network.network_file import load, save
from asm_hw.training.convert import convert, freeze, scale_errors, settle
from asm_hw.training.prepare import prepare, quantized_layers
from asm_hw.training.quantizer import ActivationQuantizer

SHAPE = (3, 12, 12)

pytestmark = pytest.mark.usefixtures("one_thread")


class Normed(nn.Conv2d):
    """A user's own subclass of a known layer."""


class Shortcut(nn.Module):
    """Option A: strided slices and channels of zeros."""

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2), "constant", 0)


class Foreign(nn.Module):
    """Everything at once, in a style of its own."""

    def __init__(self, branch=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Sequential(Normed(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)))
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.cut = Shortcut()
        self.inverted = nn.Sequential(
            nn.Conv2d(8, 16, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(inplace=True),
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(inplace=True),
            nn.Conv2d(16, 8, 1, bias=False),
            nn.BatchNorm2d(8, affine=False),
        )
        self.project = nn.Sequential(nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6))
        self.main = nn.Sequential(nn.Conv2d(8, 6, 3, padding=2, dilation=2), nn.BatchNorm2d(6))
        self.before = nn.BatchNorm2d(12)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = F.relu(self.stem(x), inplace=True)
        x = F.relu(self.shared(x))
        x = F.relu(self.shared(x)) + x  # shared weights; a residual of stored tensors
        y = self.norm(self.down(x))
        y += self.cut(x)
        y = F.relu(F.max_pool2d(y, 2))
        y = y + self.inverted(y)  # a linear bottleneck: signed
        z = torch.relu(self.main(y) + self.project(y))  # two products: one is stored
        z = F.hardtanh(self.before(torch.cat([z, z], 1)), -0.5, 2.0)
        z = F.avg_pool2d(z, z.size()[3])
        z = F.dropout(z, 0.1, self.training)
        return self.head(z.view(z.size(0), -1))


def images(n, seed=0):
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def build(model_class, *args, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(*args)
    for _ in range(20):
        model(images(64))  # running statistics
    return model


def train_a_little(model, steps=4):
    model.train()
    x, y = images(64, 1), torch.arange(64) % 5
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.02)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropout
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    model.eval()
    return losses


def agreement(prepared, network, n=300):
    """The largest distance of logits, in steps of the output."""
    x = images(n, 7)
    with torch.no_grad():
        expected = prepared(x) / network.output_scale
    return (network(network.quantize_input(x)) - expected).abs()


FORMATS = [
    {"alphabets": (1, 3)},
    {"alphabets": (1,), "act_bits": 4},
    {"alphabets": (1, 3, 5, 7), "weight_bits": 4, "act_bits": 4, "act_alphabets": (1, 3)},
]


@pytest.mark.parametrize("formats", FORMATS, ids=str)
def test_foreign_model_is_prepared_trained_and_converted(tmp_path, formats):
    model = build(Foreign)
    prepared = prepare(model, images(64), **formats)
    assert len(quantized_layers(prepared)) == sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules())
    losses = train_a_little(prepared)
    assert losses[-1] < losses[0]
    freeze(prepared)
    assert max(scale_errors(prepared).values()) < 1e-6
    train_a_little(prepared)
    settle(prepared)
    network = convert(prepared, SHAPE)
    kinds = {type(layer) for layer in network.layers}
    assert {IntegerSum, IntegerSumPool, IntegerMaxPool, IntegerMove, IntegerConcat} <= kinds
    assert agreement(prepared, network).max() < 0.51  # the rounding of the last bias
    save(network, tmp_path / "net")
    again = load(tmp_path / "net")
    x = network.quantize_input(images(20, 3))
    assert torch.equal(again(x), network(x)) and again.formats == network.formats


def test_a_layer_left_in_float_is_trained_and_named():
    model = build(Foreign)
    prepared = prepare(model, images(64), overrides={"head": None, "down": {"alphabets": (1,), "weight_bits": 6}})
    assert "head" not in quantized_layers(prepared) and "down" in quantized_layers(prepared)
    assert prepared.get_submodule("down").parametrizations.weight[0].format.bits == 6
    train_a_little(prepared)
    with pytest.raises(ParameterError, match="module 'head' must be quantized: it is left in float"):
        convert(prepared, SHAPE)


def test_prepared_state_loads_and_copies():
    model = build(Foreign)
    prepared = prepare(model, images(64))
    train_a_little(prepared)
    freeze(prepared)
    other = prepare(build(Foreign, seed=5), images(64, 2))
    other.load_state_dict(prepared.state_dict(), strict=True)
    copied = copy.deepcopy(prepared).eval()
    x = images(8, 9)
    with torch.no_grad():
        assert torch.equal(other.eval()(x), prepared.eval()(x)) and torch.equal(copied(x), prepared(x))
    one, two = convert(other, SHAPE), convert(copied, SHAPE)
    assert torch.equal(one(one.quantize_input(x)), two(two.quantize_input(x)))


def test_edges_are_wider_and_signs_follow_the_graph():
    prepared = prepare(build(Foreign), images(64), weight_bits=5, act_bits=4)
    bits = {p: m.parametrizations.weight[0].format.bits for p, m in quantized_layers(prepared).items()}
    assert bits.pop("stem.0.0") == bits.pop("head") == 8 and set(bits.values()) == {5}
    stored = {n: m.format for n, m in prepared.named_modules() if isinstance(m, ActivationQuantizer)}
    assert stored["asm.values.x"].signed and stored["asm.values.x"].bits == 8
    signs = [one.signed for one in stored.values()]
    assert True in signs[1:] and False in signs[1:]
    narrow = prepare(build(Foreign), images(64), weight_bits=5, act_bits=4, edge={}, residual_bits=4)
    assert not hasattr(narrow.asm, "narrow")  # one format everywhere


class Calls(nn.Module):
    """A convolution, ``between`` and another convolution."""

    def __init__(self, between):
        super().__init__()
        self.one, self.two, self.between = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), between

    def forward(self, x):
        return self.two(self.between(self.one(x)))


class Gelu(nn.Module):
    def forward(self, x):
        return F.gelu(x)


@pytest.mark.parametrize(
    ("between", "sentence"),
    [
        (Gelu(), "module 'between' must consist of .* gelu"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), "module 'between' must .* AvgPool2d"),
        (nn.MaxPool2d(2, dilation=2), "module 'between' must .* MaxPool2d"),
        (nn.GroupNorm(2, 4), "module 'between' must .* GroupNorm"),
    ],
)
def test_what_has_no_integer_form_is_named(between, sentence):
    prepared = prepare(Calls(between), images(8))  # trains in float there
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
            "layers must be Conv2d or Linear modules that the model calls, such as 'one', not 'none'",
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


class Idioms(nn.Module):
    """A pool over what ``size()`` says, and pieces of a tensor, which have no integer form."""

    def __init__(self, pieces):
        super().__init__()
        self.one, self.head, self.pieces = nn.Conv2d(3, 8, 3), nn.Linear(8, 5), pieces

    def forward(self, x):
        x = F.relu(self.one(x))
        if self.pieces:
            x = torch.cat(x.chunk(2, 1), 1)
        return self.head(F.avg_pool2d(x, x.size()[2:]).flatten(1))


def test_sizes_are_values_and_pieces_are_refused_by_convert():
    prepared = prepare(Idioms(False), images(8))
    with pytest.warns(UserWarning, match="multipliers are off by up to .* freeze the model"):
        convert(prepared)
    freeze(prepared)
    settle(prepared)
    assert agreement(prepared, convert(prepared)).max() < 0.51
    with pytest.raises(ParameterError, match=r"the model itself must consist of .*, and (chunk|cat) as it is called"):
        convert(prepare(Idioms(True), images(8)))


def test_a_sample_that_is_not_finite_is_refused():
    with pytest.raises(ParameterError, match="sample must hold finite numbers"):
        prepare(Calls(nn.ReLU()), images(8) / 0)


class Defaults(nn.Module):
    """Arguments with defaults, and a dropout that a function does."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, x, features=False, scale=None, *, drop="channels"):
        x = F.relu(self.one(x))
        if drop == "channels":
            x = F.dropout2d(x, 0.5, self.training)
        x = x.mean((2, 3))
        if features:
            return x
        return self.head(x) if scale is None else self.head(x) * scale


@pytest.mark.parametrize("training", [False, True])
def test_arguments_keep_their_defaults_and_dropout_follows_the_mode(training):
    prepared = prepare(Defaults().train(training), images(8))
    x = images(8, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(prepared.train()(x), prepared(x))
    assert torch.equal(prepared.eval()(x), prepared(x))
    freeze(prepared)
    settle(prepared)
    assert agreement(prepared, convert(prepared)).max() < 0.51


def test_computed_weights_are_refused():
    with pytest.raises(ParameterError, match="model Calls must have plain weights"):
        prepare(Calls(nn.utils.weight_norm(nn.Conv2d(4, 4, 3))), images(8))


def test_untraceable_models_are_refused():
    with pytest.raises(ParameterError, match=r"model Branching must be traceable by torch.fx"):
        prepare(Branching(), images(8))
