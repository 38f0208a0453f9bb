"""Functions of one stored tensor as tables: the node against plain Python, and every entry against the model."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from styled_models import agreement, build, images, train_a_little
from torch import nn
from torch.fx import Interpreter

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_table import IntegerTable
from asm_hw.network.network_file import load, save
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert
from asm_hw.training.freeze import freeze, settle
from asm_hw.training.prepare import prepare

pytestmark = pytest.mark.usefixtures("one_thread")

FORMATS = [ActivationFormat(8, True), ActivationFormat(8), ActivationFormat(4, True), ActivationFormat(1)]
FUNCTIONS = {
    "LeakyReLU": nn.LeakyReLU(0.1),
    "LeakyReLU, mirrored": nn.LeakyReLU(-0.3),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "PReLU": nn.PReLU(),
    "Hardswish": nn.Hardswish(inplace=True),
    "hardswish": F.hardswish,
    "Hardsigmoid": nn.Hardsigmoid(),
    "SiLU": nn.SiLU(),
    "silu": lambda x: F.silu(x, inplace=True),
    "GELU": nn.GELU(),
    "GELU, tanh": nn.GELU(approximate="tanh"),
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "Sigmoid": nn.Sigmoid(),
    "sigmoid": torch.sigmoid,
    "sigmoid, method": lambda x: x.sigmoid(),
    "sigmoid_": lambda x: x.sigmoid_(),
    "Tanh": nn.Tanh(),
    "tanh, method": lambda x: x.tanh(),
    "ELU": nn.ELU(0.7),
    "SELU": nn.SELU(),
    "CELU": nn.CELU(1.3),
    "Softplus": nn.Softplus(beta=2.0),
    "Softsign": nn.Softsign(),
    "Mish": nn.Mish(),
    "LogSigmoid": nn.LogSigmoid(),
    "logsigmoid": F.logsigmoid,
    "Softshrink": nn.Softshrink(0.2),
    "Hardshrink": nn.Hardshrink(0.2),
    "Tanhshrink": nn.Tanhshrink(),
    "Threshold": nn.Threshold(0.1, -0.5),
    "abs": torch.abs,
    "exp": torch.exp,
    "cubed": lambda x: x**3,
    "squared": lambda x: x.square(),
}


class Between(nn.Module):
    """Two convolutions and a function between them."""

    def __init__(self, function):
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 5)
        self.function = function

    def forward(self, x):
        return self.head(F.relu(self.two(self.function(self.one(x)))).mean((2, 3)))


def of(taken, stored, values, **settings):
    table = IntegerTable(name="f", taken=taken, stored=stored, values=torch.tensor(values), **settings)
    return IntegerNetwork(layers=(table,), input_shape=(2, 3, 3), input_scale=0.5, output_scale=2.0, input_format=taken)


@pytest.mark.parametrize("taken", FORMATS, ids=str)
def test_every_integer_has_its_entry(taken, tmp_path):
    low, high = taken.binary_range
    entry = {x: (7 * x * x + 3 * x) % 501 - 250 for x in range(low, high + 1)}
    network = of(taken, ActivationFormat(9, True), list(entry.values()))
    x = torch.arange(low, high + 1).repeat(18)[torch.randperm(18 * len(entry))].view(len(entry), 2, 3, 3)
    assert network(x).flatten().tolist() == [entry[v] for v in x.flatten().tolist()]
    last = x.to(memory_format=torch.channels_last)
    assert torch.equal(network(last), network(x))
    save(network, tmp_path / "net")
    again = load(tmp_path / "net")
    assert torch.equal(again(x), network(x)) and again.formats == network.formats
    save(again, tmp_path / "second")
    assert (tmp_path / "net").read_bytes() == (tmp_path / "second").read_bytes()
    for outside in (low - 1, high + 1):
        with pytest.raises(ParameterError, match=f"layer 'f' must take integers from {low} to {high}, not {outside}"):
            network(torch.full((1, 2, 3, 3), outside))


def test_tables_refuse_what_does_not_fit():
    u8, u2 = ActivationFormat(8), ActivationFormat(2)
    encoded = ActivationFormat(4, alphabets=AlphabetSet((1,)))
    table = of(u2, u8, [3, 2, 1, 0]).layers[0]
    for changes, sentence in [
        ({"values": torch.tensor([1, 2, 3])}, r"layer 'f' must have int64 values \[4\], not torch.int64 \[3\]"),
        ({"values": torch.ones(4)}, r"layer 'f' must have int64 values \[4\], not torch.float32"),
        ({"values": torch.tensor([0, 1, 256, 0])}, "values of layer 'f' must be from 0 to 255, not 256"),
        ({"values": torch.tensor([0, -1, 2, 0])}, "values of layer 'f' must be from 0 to 255, not -1"),
        ({"taken": ActivationFormat(9)}, "taken bits of layer 'f' must be at most 8, not 9"),
        ({"stored": ActivationFormat(17)}, "stored bits of layer 'f' must be at most 16, not 17"),
        ({"stored": encoded}, "layer 'f' values must hold levels of .1. over 4 bits, not 3"),
    ]:
        with pytest.raises(ParameterError, match=sentence):
            replace(table, **changes)
    with pytest.raises(ParameterError, match=r"layer 'f' must be given the .* not"):
        replace(of(u2, u8, [3, 2, 1, 0]), input_format=u8)


class _Fed(Interpreter):
    """Runs a prepared model on values of its own in the place of what one of its nodes gives."""

    def __init__(self, model, node, values):
        super().__init__(model)
        self.node, self.values, self.found = node, values, {}

    def run_node(self, n):
        self.found[n.name] = self.values if n.name == self.node else super().run_node(n)
        return self.found[n.name]


SETTINGS = ({}, {"act_bits": 4}, {"act_bits": 4, "act_alphabets": (1,)})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_entry_is_what_the_model_computes(name):
    torch.manual_seed(0)
    settings = SETTINGS[list(FUNCTIONS).index(name) % len(SETTINGS)]
    prepared = quantize(Between(FUNCTIONS[name]).eval(), images(8), alphabets=(1, 3), **settings)
    network = convert(prepared)
    (table,) = (layer for layer in network.layers if layer.kind == "table")
    stored = [n for n in prepared.graph.nodes if n.op == "call_module" and n.target.startswith("asm.values.")]
    one, two = next((a, b) for a, b in pairwise(stored) if b.target.endswith(table.name))
    source, target = (prepared.get_submodule(node.target) for node in (one, two))
    low, high = table.taken.binary_range
    assert (high - low + 1, table.stored) == (256, target.format)
    # Of uneven sizes, so that kernels meet the same value at their ends and in between.
    x = torch.arange(low, high + 1).repeat(50)[torch.randperm(256 * 50)].view(16, 8, 10, 10)[:, :, :9, :7]
    fed = _Fed(prepared, one.name, x.float() * source.scale)
    with torch.no_grad():
        fed.run(torch.zeros(16, *images(1).shape[1:]))
    expected = (fed.found[two.name] / target.scale).round().to(torch.int64)
    assert torch.equal(table.forward(x), expected)
    assert torch.equal(fed.found[two.name], table.forward(x).float() * target.scale)


@pytest.mark.parametrize("settings", [{"weight_bits": 8}, {"act_bits": 4}, {"act_alphabets": (1,)}], ids=str)
@pytest.mark.parametrize("name", ["SiLU", "PReLU", "GELU, tanh"])
def test_a_trained_model_agrees_with_its_integers(name, settings):
    model = build(Between, FUNCTIONS[name])
    prepared = prepare(model, images(32), alphabets=(1, 3), **settings)
    train_a_little(prepared)
    freeze(prepared)
    losses = train_a_little(prepared)
    settle(prepared)
    network = convert(prepared)
    assert losses[-1] < losses[0]
    assert agreement(prepared, network, 50).max() <= 0.51


class Residuals(nn.Module):
    """Functions of sums, of the input, of maxima and of one another; their results in sums and means."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(9, 5)
        self.norm, self.act = nn.BatchNorm2d(6), nn.SiLU()

    def forward(self, x):
        y = self.act(self.one(torch.tanh(x)))
        z = self.act(self.norm(self.two(y)) + y)
        z = F.max_pool2d(z, 2) + torch.sigmoid(F.max_pool2d(y, 2)).mul(0.5)
        z = torch.cat([F.elu(z)[:, :3], F.hardswish(F.relu(z))], 1)
        return self.head(F.softplus(z).mean((2, 3)))


@pytest.mark.parametrize("settings", [{"weight_bits": 8}, {"residual_bits": 12, "act_bits": 10}, {"residual_bits": 5}])
def test_functions_anywhere_in_a_model(settings):
    torch.manual_seed(0)
    prepared = quantize(build(Residuals).eval(), images(32), alphabets=(1, 3, 5, 7), **settings)
    network = convert(prepared)
    tables = [layer for layer in network.layers if layer.kind == "table"]
    assert len(tables) == 7 and all(table.taken.bits <= 8 for table in tables)
    assert agreement(prepared, network, 50).median() <= 0.51
