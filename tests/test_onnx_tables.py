"""Tables as ONNX, judged by onnxruntime: every integer of each format, random networks, converted models."""

from __future__ import annotations

import onnx
import pytest
import torch
import torch.nn.functional as F
from judged_by_onnxruntime import binary, chained, check_onnx, extreme_inputs
from styled_models import build, images
from table_networks import TableNetwork, one_table
from torch import nn

from asm_hw.exchange.onnx_judge import compare_with_onnxruntime
from asm_hw.exchange.onnx_model import onnx_model
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_moves import IntegerMove
from asm_hw.network.integer_table import IntegerTable
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.report.engine_run import random_inputs
from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert

pytestmark = pytest.mark.usefixtures("one_thread")

TAKEN = [binary(8, True), binary(8), binary(5, True), binary(1)]
STORED = [binary(8), binary(8, True), binary(16, True), binary(16), binary(3)]


def every_integer(taken, shape):
    low, high = taken.binary_range
    return torch.arange(low, high + 1).view(-1, 1, 1, 1).expand(-1, *shape)


@pytest.mark.parametrize("taken", TAKEN, ids=str)
@pytest.mark.parametrize("stored", STORED, ids=str)
def test_every_integer_of_a_table(taken, stored):
    network = one_table(taken, stored)
    model = check_onnx(network, every_integer(taken, network.input_shape))
    assert [node.op_type for node in model.graph.node].count("Gather") == 1


def test_encoded_entries_and_levels_taken():
    """Levels in and out; the table still has a place for each integer of the format."""
    encoded = ActivationFormat(6, True, AlphabetSet((1,)))
    levels = torch.tensor(encoded.levels.levels)
    values = levels[torch.arange(64) % len(levels)]
    network = chained([IntegerTable(name="f", taken=encoded, stored=encoded, values=values)], (1, 2, 2), encoded)
    check_onnx(network, levels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2))


def test_a_table_of_rows_and_behind_a_move():
    taken = binary(8, True)
    move = IntegerMove(name="m", action="pad", arguments=(1, 2, 0, 1, 0, 0))
    table = one_table(taken, binary(8)).layers[0]
    network = chained([move, IntegerTable(**{**vars(table), "sources": ("m",)})], (3, 4, 5), taken)
    check_onnx(network, extreme_inputs(network))


@pytest.mark.parametrize("act_alphabets", [None, (1, 3)])
def test_random_networks_with_tables(act_alphabets):
    kinds = set()
    for seed in range(12):
        network = TableNetwork(seed, (1, 3), 8, act_alphabets).network()
        kinds |= {type(layer) for layer in network.layers}
        check_onnx(network, torch.cat([random_inputs(network, 2, seed), extreme_inputs(network, 1, seed)]))
    assert IntegerTable in kinds


class Mixed(nn.Module):
    """Functions of sums, of maxima and of a mean, and one of rows in another order."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 5)
        self.norm, self.act = nn.BatchNorm2d(6), nn.SiLU()

    def forward(self, x):
        y = self.act(self.one(x))
        z = F.hardswish(self.norm(self.two(y)) + y)
        z = torch.cat([torch.sigmoid(F.max_pool2d(z, 2)), F.leaky_relu(F.avg_pool2d(z, 2), 0.1)], 2)
        return self.head(torch.tanh(z.transpose(2, 3)).mean((2, 3)))


def plain(act):
    return lambda: nn.Sequential(
        *(nn.Conv2d(3, 4, 3), act, nn.Conv2d(4, 4, 3), act, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5))
    )


MODELS = {
    "GELU": (plain(nn.GELU()), {"alphabets": (1, 3)}),
    "PReLU, 4 bits": (plain(nn.PReLU()), {"alphabets": (1,), "act_bits": 4}),
    "Softplus, encoded": (plain(nn.Softplus()), {"alphabets": (1, 3), "act_alphabets": (1,)}),
    "mixed": (Mixed, {"alphabets": (1, 3, 5, 7)}),
    "mixed, few bits": (Mixed, {"alphabets": (1, 3), "act_bits": 4, "residual_bits": 6}),
}


@pytest.mark.parametrize("name", MODELS)
def test_converted_models_with_functions(name):
    make, settings = MODELS[name]
    network = convert(quantize(build(make).eval(), images(16), **settings))
    assert any(isinstance(layer, IntegerTable) for layer in network.layers)
    check_onnx(network, torch.cat([network.quantize_input(images(4, 3)), extreme_inputs(network, 1)]))


def test_a_wrong_entry_in_the_file_is_seen():
    network = one_table(binary(8, True), binary(8))
    model = onnx_model(network)
    (tensor,) = [one for one in model.graph.initializer if one.name.endswith("/values")]
    values = onnx.numpy_helper.to_array(tensor).copy()
    values[200] ^= 1
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    found = compare_with_onnxruntime(model.SerializeToString(), network, every_integer(binary(8, True), (3, 5, 4)))
    assert found.mismatches == 60
