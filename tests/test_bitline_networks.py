"""Whole networks on a bitline array: every tensor against golden, by the model of the array and on the Verilog."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from array_networks import SMALL, encoded_network, inputs_of
from random_networks import RandomNetwork
from tiny_network import draw, tiny
from trained_digits import demo_network

from asm_hw.compiler.bitline_program import compile_bitline
from asm_hw.compiler.bitline_run import array_tensors, model_matmul
from asm_hw.compiler.fitted_array import array_for
from asm_hw.emission.emit_folder import emit
from asm_hw.golden import matvec
from asm_hw.network.network_file import load
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.sim.bitline_player import BitlinePlayer
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_harness import asm_steps
from asm_hw.units.bitline.bitline_model import BitlineModel

ZOO = Path(__file__).resolve().parent.parent / "zoo"


def check_tensors(config, network, x, matmul):
    """Every tensor against golden, every node's cycles against the report's."""
    found, cycles = array_tensors(config, network, x, matmul)
    golden = network.tensors(x)
    assert found.keys() == golden.keys()
    for name, expected in golden.items():
        assert torch.equal(found[name], expected), name
    if len(x) == 1:
        layers = compile_bitline(network, config).layers
        assert {layer.name: layer.cycles for layer in layers if layer.cycles} == cycles
    return sum(cycles.values())


CASES = {
    "every format is the network's": (tiny, SMALL),
    "signed input as offsets": (lambda: tiny(signed=True), SMALL),
    "wide values in two rows": (lambda: tiny(signed=True), SMALL | {"act_bits": 4}),
    "signed words": (lambda: tiny(signed=True), SMALL | {"act_signed": True}),
    "encoded values as numbers": (lambda: tiny(act_alphabets=AlphabetSet((1, 3))), SMALL),
    "encoded on both sides": (encoded_network, SMALL | {"act_alphabets": (1,)}),
    "wide words, few rows": (tiny, {"rows": 5, "cols": 96, "word_bits": 12}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_tensor_of_a_network_on_the_model_is_the_golden_one(case):
    made, parameters = CASES[case]
    network = made()
    config = array_for(network, **parameters)
    for images in (1, 3):
        check_tensors(config, network, inputs_of(network, images), model_matmul(config))


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_with_pools_groups_and_moves(seed):
    network = RandomNetwork(seed, (1, 3), 4).network()
    config = array_for(network, rows=32, cols=128, **({"act_bits": 4} if seed % 2 else {}))
    check_tensors(config, network, inputs_of(network, 1), model_matmul(config))


def test_all_groups_side_by_side_give_what_each_gives_alone():
    generator = torch.Generator().manual_seed(3)
    for parameters in ({"alphabets": (1,)}, {"alphabets": (1, 3, 7)}, {"alphabets": (1, 3), "act_signed": True}):
        config = BitlineConfig(**parameters, rows=16, cols=48, act_bits=4, terms=64)
        weights = draw(config.weight.levels.levels, (5, 20), 7)
        low, high = config.activation.range
        vectors = torch.randint(low, high + 1, (21, 20), generator=generator)
        found, cycles = model_matmul(config)(weights.numpy(), vectors.numpy())
        model, alone = BitlineModel(config), []
        for group in vectors.split(config.words):
            left = [model.execute(i, None if row is None else torch.tensor(row))
                    for i, row in asm_steps(config, weights.tolist(), group.tolist())]  # fmt: skip
            sums = torch.stack([words for words in left if words is not None])
            alone.append(sums.reshape(-1, 5, config.words).sum(0)[:, : len(group)])
        assert torch.equal(torch.from_numpy(found), torch.cat(alone, 1).T)
        assert torch.equal(torch.from_numpy(found), matvec(weights, vectors))
        assert cycles == model.cycles + 1


def test_a_network_on_the_verilog_takes_the_cycles_of_the_report(tmp_path):
    """All layers on one array: offsets, groups, tiles, values in two rows."""
    network = tiny(signed=True)
    config = array_for(network, rows=12, cols=24, act_bits=4, counter_bits=0)
    player = BitlinePlayer(emit(config, tmp_path / "rtl"), tmp_path / "build")
    check_tensors(config, network, inputs_of(network, 1), player.matmul)


def test_the_demo_network(one_thread):
    network, x = demo_network(6)
    for given in ({}, {"act_bits": 4}):
        config = array_for(network, rows=64, cols=512, **given)
        check_tensors(config, network, x, model_matmul(config))
        check_tensors(config, network, x[:1], model_matmul(config))


@pytest.mark.full
def test_the_demo_network_on_the_verilog(tmp_path, one_thread):
    network, x = demo_network(2)
    config = array_for(network, rows=64, cols=128, act_bits=4)
    player = BitlinePlayer(emit(config, tmp_path / "rtl"), tmp_path / "build")
    for image in x.split(1):
        check_tensors(config, network, image, player.matmul)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("resnet8_1_3_w5_a4", {}),
        ("resnet20_1_w5_a4", {"act_bits": 4}),
        pytest.param("resnet20_1_w5_a4", {}, marks=pytest.mark.full),
    ],
)
def test_trained_networks(name, given, one_thread):
    network = load(ZOO / f"{name}.safetensors")
    config = array_for(network, rows=512, cols=512, **given)
    check_tensors(config, network, inputs_of(network, 1), model_matmul(config))
