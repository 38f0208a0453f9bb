"""Layers of networks on the emitted near-memory array, to the bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_network import operands_of, tiny, vectors_of
from trained_digits import demo_network

from asm_hw.emission.emit_folder import emit
from asm_hw.network.rtl_layers import near_program, products_of
from asm_hw.sim.near_player import NearPlayer
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig

LAYERS = NearMemoryConfig(alphabets=(1, 3), lanes=8, columns=2, hold=16, depth=4096)


def play_network(network, x, folder, arithmetic="asm"):
    """Every layer through the emitted Verilog, on the golden model's inputs; its outputs, requantized by the unit."""
    players = {}
    for layer in network.layers:
        if getattr(layer, "groups", 1) != 1:  # runs as a matrix product for each group, which nobody cuts yet
            x = layer.forward(x)
            continue
        config = replace(
            LAYERS, arithmetic=arithmetic, weight_form=None, **operands_of(layer),
            out_bits=layer.requantize.bits, out_signed=layer.requantize.signed, acc_bits=None,
            terms=max(16, layer.terms),
        )  # fmt: skip
        if config not in players:
            players[config] = NearPlayer(emit(config, folder / "rtl"), folder / f"player_{len(players)}")
        expected = layer.forward(x)
        made = near_program(config, layer, x)
        got, cycles = players[config].play(made)
        assert got == vectors_of(expected), layer.name
        assert cycles == len(made.rows) + config.cycles(made.blocks), layer.name
        assert players[config].play(made, pace=40)[0] == got, layer.name
        assert len(products_of(layer, x)[0][1]) == made.vectors
        x = expected


def test_layers_of_a_network_run_to_the_bit(tmp_path):
    network = tiny()
    low, high = network.layers[0].operands.activation.range
    generator = torch.Generator().manual_seed(0)
    play_network(network, torch.randint(low, high + 1, (3, *network.input_shape), generator=generator), tmp_path)


@pytest.mark.full
@pytest.mark.parametrize(("arithmetic", "images"), [("asm", 8), ("exact", 2)])
def test_every_layer_of_the_demo_network_runs_to_the_bit(arithmetic, images, tmp_path):
    """Trained weights and real activations."""
    play_network(*demo_network(images), tmp_path, arithmetic)
