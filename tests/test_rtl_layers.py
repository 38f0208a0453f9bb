"""Layers of a network on an array: every wrong sum is a mismatch, and what an array cannot take is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_network import draw, tiny

from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.rtl_layers import near_program, run_network
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig


def plain_play(config, corrupt=None):
    """An array of plain integers: follows release and last beat by beat; adds 1 to sum ``corrupt``."""
    weights, activations = dict(config.weight.table), dict(config.activation.table)

    def play(beats):
        sums, load = [], 0
        acc = [0] * config.columns
        for x, release, last in zip(beats.x.tolist(), beats.release, beats.last, strict=True):
            for column, codes in enumerate(beats.w[load % len(beats.w)].tolist()):
                acc[column] += sum(weights[w] * activations[a] for w, a in zip(codes, x, strict=True))
            load += bool(release)
            if last:
                sums.append(acc)
                acc = [0] * config.columns
        sums = np.array(sums)
        if corrupt is not None:
            sums[corrupt] += 1
        return sums, len(beats.x)

    return play


ARRAY = DotConfig(alphabets=(1, 3), weight_bits=5, act_bits=8, lanes=20, columns=2)


def test_a_network_on_a_right_array_equals_golden():
    """A grouped convolution is a product each group."""
    network = tiny()
    x = draw(range(64), (3, 2, 7, 5), 9)
    seen = []
    outputs, runs = run_network(network, ARRAY, plain_play(ARRAY), x, done=seen.append)
    assert torch.equal(outputs, network(x))
    assert seen == runs
    assert [run.mismatches for run in runs] == [0, 0, 0, 0]
    assert [run.outputs for run in runs] == [3 * 48, 3 * 54, 3 * 5, 3 * 3]
    assert [run.macs for run in runs] == [3 * 48 * 18, 3 * 54 * 4, 3 * 5 * 54, 3 * 3 * 5]
    assert [run.weights_held for run in runs] == [True, True, False, True]


def test_one_wrong_sum_is_one_mismatch():
    network = IntegerNetwork(layers=tiny().layers[3:], input_shape=(5,), input_scale=1.0, output_scale=1.0)
    _, (run,) = run_network(network, ARRAY, plain_play(ARRAY, corrupt=(0, 0)), draw(range(256), (4, 5), 9))
    assert (run.mismatches, run.outputs) == (1, 12)


def test_one_wrong_sum_of_each_group_is_a_mismatch_each():
    layer = tiny().layers[1]
    network = IntegerNetwork(layers=(layer,), input_shape=(4, 4, 3), input_scale=1.0, output_scale=1.0)
    _, (run,) = run_network(network, ARRAY, plain_play(ARRAY, corrupt=(0, 0)), draw(range(256), (1, 4, 4, 3), 9))
    assert (run.mismatches, run.outputs) == (2, 54)


def test_a_grouped_convolution_is_no_single_product():
    with pytest.raises(ParameterError, match="layer 'grouped' must have 1 group to be one product, not 2"):
        near_program(NearMemoryConfig(), tiny().layers[1], draw(range(256), (1, 4, 4, 3), 9))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"out_signed": True}, "must give what the unit does, 8-bit signed outputs, not 8-bit unsigned"),
        ({"weight_bits": 3}, "must have weights that unit near_memory_asm_1_3_w3"),
        ({"act_bits": 3}, "must have activations that unit near_memory_asm_1_3_w5_u3"),
        ({"acc_bits": 10}, "acc_bits must be at least 14 for layer 'first', not 10"),
    ],
)
def test_a_layer_of_other_formats_is_refused(parameters, sentence):
    with pytest.raises(ParameterError) as error:
        near_program(NearMemoryConfig(**parameters), tiny().layers[0], draw(range(64), (1, 1, 8, 8), 9))
    assert sentence in str(error.value)
