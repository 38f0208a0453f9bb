"""Converted networks of rows, pads, shuffles, permutations and pools of parts on an engine: every tensor and cycle."""

from __future__ import annotations

import pytest
from network_operations import Net, Step, built, images, shuffled
from test_engine_corners import check
from test_engine_networks import ENGINES
from torch import nn

from asm_hw.compiler.compile_network import compile_network
from asm_hw.errors import ParameterError
from asm_hw.training.calibrate import quantize
from asm_hw.training.convert import convert

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORKS = {
    "rows": lambda: nn.Sequential(
        nn.Conv1d(21, 6, 4, padding="same"), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True),
        nn.Conv1d(6, 8, 3), nn.ReLU(), Step(lambda x: x.transpose(1, 2)), nn.Conv1d(3, 4, 2),
    ),
    "maps": lambda: Net(
        nn.Sequential(
            nn.ZeroPad2d((1, 0, 0, 2)), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.ChannelShuffle(3), Step(shuffled),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False), Step(lambda x: x.permute(0, 2, 3, 1)),
        )
    ),
}  # fmt: skip


def integers(model, x):
    return convert(quantize(built(model), x, alphabets=(1, 3), weight_bits=5, act_bits=4))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_converted_network_equals_golden_on_an_engine(name, emit_once):
    x = images().flatten(1, 2) if name == "rows" else images()
    check(integers(NETWORKS[name], x), emit_once(ENGINES["windows"]), ENGINES["windows"])


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (
            nn.Sequential(nn.Conv2d(6, 8, 1), nn.PixelShuffle(2)),
            r"layer '\w+' does not fit: tensors of an engine must have 1",
        ),
        (
            nn.Sequential(nn.ZeroPad2d((0, 0, 0, 9)), Step(lambda x: x.transpose(1, 2))),
            "layer 'transpose' must permute at most 15 rows or columns with channels on an engine, .* not 16 with 6",
        ),
    ],
)
def test_a_move_that_no_record_says_is_refused_by_name(step, sentence):
    network = integers(lambda: Net(step), images())
    with pytest.raises(ParameterError, match=sentence):
        compile_network(network, ENGINES["windows"])
