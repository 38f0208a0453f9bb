"""Layers of networks on the emitted bitline array."""

from __future__ import annotations

import pytest
import torch
from tiny_network import operands_of, tiny

from asm_hw.emission.emit_folder import emit
from asm_hw.golden import matvec
from asm_hw.network.rtl_layers import products_of
from asm_hw.numbers.integers import ceil_div
from asm_hw.sim.bitline_player import BitlinePlayer
from asm_hw.training.convert import convert
from asm_hw.training.data import digits as images
from asm_hw.training.digits_training import train, train_asm
from asm_hw.training.models import digits_cnn
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_harness import asm_steps
from asm_hw.units.bitline.bitline_model import BitlineModel


def test_layers_of_a_network_on_the_verilog(tmp_path):
    """Convolutions and products, tiles and half-empty groups of words, at full pace and under back-pressure."""
    network = tiny()
    check_network(
        network, torch.randint(0, 64, (3, *network.input_shape)), tmp_path, {"rows": 24, "cols": 60}, (100, 40)
    )


def check_network(network, x, folder, shape, paces):
    """Every layer of one group on an array of ``shape``; layers alike in their operands share it."""
    players = {}
    for layer in network.layers:
        if getattr(layer, "groups", 1) == 1:
            config = BitlineConfig(**operands_of(layer), **shape, terms=256, counter_bits=0)
            if config not in players:
                players[config] = BitlinePlayer(emit(config, folder / "rtl"), folder / config.slug)
            check_layer(players[config], layer, x, paces)
        x = layer.forward(x)


def check_layer(player, layer, x, paces):
    """Sums of a layer on the Verilog against golden; cycles are those of the golden model."""
    [(weights, vectors)] = products_of(layer, x)
    expected = matvec(weights, vectors).numpy()
    for pace in paces:
        sums, cycles = player.matmul(weights.numpy(), vectors.numpy(), pace)
        assert (sums == expected).all()
        groups = ceil_div(len(vectors), player.config.words)
        model = BitlineModel(player.config)
        steps = asm_steps(player.config, weights.tolist(), [[0] * weights.shape[1]])
        for instruction, row in steps:
            model.execute(instruction, None if row is None else torch.tensor(row))
        assert cycles == groups * model.cycles + 1 if pace == 100 else cycles > groups * model.cycles


@pytest.mark.full
@pytest.mark.parametrize("alphabets", [(1,), (1, 3)])
def test_every_layer_of_the_demo_network_on_the_verilog(alphabets, tmp_path):
    torch.set_num_threads(1)
    data, model = images(), digits_cnn(0)
    train(model, data, epochs=2, seed=0)
    asm = train_asm(model, data, epochs=1, seed=0, alphabets=alphabets, weight_bits=5, act_bits=8)
    network = convert(asm, tuple(data.test_images.shape[1:]))
    x = network.quantize_input(data.test_images[:6])
    check_network(network, x, tmp_path, {"rows": 160, "cols": 128}, (100,))
