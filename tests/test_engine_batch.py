"""Networks of matrix products on an engine, one vector and several at once: every tensor, cycle and access."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from autoencoder import WIDTHS, autoencoder
from random_networks import RandomNetwork
from test_engine_networks import ENGINES

from asm_hw.compiler.batch import batched, in_maps
from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.program_folder import ProgramFolder
from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.report.engine_run import random_inputs, run_engine


def run_batches(emit_once, network, batch, count):
    """What ``count`` random vectors show, so many at once, and what golden says of each."""
    config = ENGINES["windows"]
    program = replace(compile_network(batched(network, batch), config), batch=batch)
    x = random_inputs(network, count, 5)
    report = run_engine(ProgramFolder(program, network, emit_once(config)), x)
    assert report.mismatches == 0, report.first_difference
    assert report.as_predicted
    assert report.images == len(report.outputs) == count
    for output, expected in zip(report.outputs, network(x), strict=True):
        assert output.ravel().tolist() == expected.tolist()
    return report


def test_twenty_vectors_through_the_autoencoder(emit_once):
    network = autoencoder()
    one = run_batches(emit_once, network, 1, 20)
    assert one.compared == 20 * sum(WIDTHS[1:])
    many = run_batches(emit_once, network, 8, 20)  # the last batch is half full
    assert many.compared == 24 * sum(WIDTHS[1:])
    assert (len(one.cycles), len(many.cycles)) == (20, 3)
    assert many.program.cycles < 4 * one.program.cycles  # each row of weights is read once for eight


def test_vectors_side_by_side_may_join(emit_once):
    """A sum of two tensors and an input that is no vector."""
    layers = list(autoencoder((12, 9, 9, 5)).layers)
    add = replace(
        layers[0].requantize, skip_scale=torch.ones(9, dtype=torch.int64), skip_shift=torch.zeros(9, dtype=torch.int64)
    )
    layers.insert(2, IntegerSum(name="add", sources=("dense1", "dense0"), requantize=add))
    network = IntegerNetwork(layers=tuple(layers), input_shape=(2, 3, 2), input_scale=1.0, output_scale=1.0)
    run_batches(emit_once, network, 5, 7)


def test_pixels_of_a_map_are_the_vectors():
    maps = in_maps(torch.arange(6).view(3, 2), 2)
    assert maps.tolist() == [[[[0, 2]], [[1, 3]]], [[[4, 0]], [[5, 0]]]]
    network = RandomNetwork(1, (1, 3), 4).network()
    assert batched(network, 1) is network
    with pytest.raises(ParameterError, match=r"layer 'n0' must be a matrix product.*for batch 2, not conv2d"):
        batched(network, 2)
    for wrong in (0, 1024):
        with pytest.raises(ParameterError, match=f"batch must be .* not {wrong}"):
            batched(network, wrong)


def test_batch_of_the_command_line(cli, tmp_path):
    from asm_hw.network.network_file import save

    save(autoencoder((12, 9, 5)), tmp_path / "net.safetensors")
    options = ("--lanes", "9", "--columns", "2", "--hold", "8")
    refused = cli("compile", "net.safetensors", *options, "--batch", "0")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "batch" in refused.stderr
    compiled = cli("compile", "net.safetensors", *options, "--batch", "3", "--out", "out")
    assert compiled.returncode == 0, compiled.stderr
    assert "cycles for 3 vectors" in compiled.stdout
    assert cli("run", "out", "--batch", "1024").returncode == 2
