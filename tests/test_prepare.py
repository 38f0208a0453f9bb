"""Models of any style: prepared, trained a little, converted; the integers must do what the float model does."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from styled_models import SHAPE, Foreign, agreement, build, images, train_a_little
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_pools import IntegerMaxPool, IntegerSumPool
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.network.network_file import load, save
from asm_hw.training.convert import convert
from asm_hw.training.freeze import freeze, settle
from asm_hw.training.prepare import prepare
from asm_hw.training.prepared_layers import quantized_layers
from asm_hw.training.quantizer import ActivationQuantizer
from asm_hw.training.requantize_multipliers import scale_errors

pytestmark = pytest.mark.usefixtures("one_thread")


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
    overrides = {"head": None, "down": {"alphabets": (1,), "weight_bits": 6}}
    with pytest.raises(ParameterError, match="module 'head' must be quantized: it is left in float"):
        prepare(model, images(64), overrides=overrides)
    prepared = prepare(model, images(64), overrides=overrides, strict=False)
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


class Idioms(nn.Module):
    """A pool over what ``size()`` says, and pieces of a tensor, which have no integer form."""

    def __init__(self, pieces):
        super().__init__()
        self.one, self.head, self.pieces = nn.Conv2d(3, 8, 3), nn.Linear(8, 5), pieces

    def forward(self, x):
        x = F.relu(self.one(x))
        if self.pieces:
            x = torch.cat(x.unbind(1), 1).view(-1, 8, 10, 10)
        return self.head(F.avg_pool2d(x, x.size()[2:]).flatten(1))


def test_sizes_are_values_and_pieces_are_refused():
    prepared = prepare(Idioms(False), images(8))
    with pytest.warns(UserWarning, match="multipliers are off by up to .* freeze the model"):
        convert(prepared)
    freeze(prepared)
    settle(prepared)
    assert agreement(prepared, convert(prepared)).max() < 0.51
    with pytest.raises(ParameterError, match=r"the model itself must consist of .*, and (unbind|cat) as it is called"):
        prepare(Idioms(True), images(8))


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


def normed(bias):
    return nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.BatchNorm2d(4, bias=bias), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5))


@pytest.mark.parametrize("bias", [True, False])
def test_a_norm_without_bias_folds_as_well(bias):
    prepared = prepare(build(normed, bias), images(64))
    train_a_little(prepared)
    freeze(prepared)
    settle(prepared)
    assert agreement(prepared, convert(prepared)).max() < 0.51
