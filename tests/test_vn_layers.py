"""Layers of networks on the von Neumann machines, to the bit: real weights, activations and requantization."""

from __future__ import annotations

import random
from dataclasses import fields

import pytest
from tiny_network import operands_of, tiny, vectors_of
from trained_digits import demo_network

from asm_hw.network.rtl_layers import products_of
from asm_hw.sim.amaranth_simulation import play
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig
from asm_hw.units.von_neumann.vn_checks import Model, compare, of_words

SHAPE = {"lanes": 8, "columns": 2, "hold": 3, "depth": 1 << 13}
MACHINES = [(VnScalarConfig, "asm"), (VnScalarConfig, "exact"), (VnArrayConfig, "asm"), (VnArrayConfig, "exact")]


def unit_for(unit, layer, arithmetic):
    """A machine with the operands of a layer and its outputs; the exact one takes them in binary."""
    taken = operands_of(layer)
    if arithmetic == "exact":
        taken["act_alphabets"] = None
    names = {field.name for field in fields(unit)}
    shape = {name: value for name, value in SHAPE.items() if name in names}
    out = {"out_bits": layer.requantize.bits, "out_signed": layer.requantize.signed}
    return unit(arithmetic=arithmetic, terms=layer.terms, **taken, **shape, **out)


def product_of(config, layer, x, vectors):
    """The first ``vectors`` of a layer's product as the machine stores it."""
    [(weights, inputs)] = products_of(layer, x)
    w_code, x_code = (
        {value: code for code, value in table} for table in (config.weight.table, config.activation.table)
    )
    w = [[(w_code[value], value) for value in row] for row in weights.tolist()]
    taken = [[(x_code[value], value) for value in row] for row in inputs[:vectors].tolist()]
    return of_words(config, w, taken, layer.requantize.channels)


def play_layers(network, x, unit, arithmetic, vectors):
    """Every layer that is one product, on the gateware; golden's words must be the layer's own outputs."""
    played = 0
    for layer in network.layers:
        expected = layer.forward(x)
        if getattr(layer, "groups", 1) == 1:
            config = unit_for(unit, layer, arithmetic)
            product = product_of(config, layer, x, vectors)
            check_product(config, product)
            played += 1
            if unit is VnScalarConfig:  # one order of words is enough
                rows = vectors_of(expected)[:vectors]
                raw = [[value & (1 << config.out_bits) - 1 for value in row] for row in rows]
                assert product.program.gather(config, product.expected) == raw, layer.name
        x = expected
    return played


def check_product(config, product):
    """One product on the gateware, in the predicted cycles; what is read back is what golden says."""

    async def bench(driver):
        model = Model(driver, config, random.Random(0))
        await model.streams.idle()
        compare(await model.play(product.program), product)
        assert model.cycles == config.cycles(product.program.jobs)

    play(config, bench)


@pytest.mark.parametrize(("unit", "arithmetic"), MACHINES)
def test_layers_of_a_network_run_to_the_bit(unit, arithmetic):
    import torch

    network = tiny()
    low, high = network.layers[0].operands.activation.range
    x = torch.randint(low, high + 1, (1, *network.input_shape), generator=torch.Generator().manual_seed(0))
    assert play_layers(network, x, unit, arithmetic, vectors=2) >= 2


@pytest.mark.full
@pytest.mark.parametrize(("unit", "arithmetic"), MACHINES)
def test_every_layer_of_the_demo_network_runs_to_the_bit(unit, arithmetic):
    """Trained weights and a real image: of each layer some vectors, one MAC a cycle being slow."""
    network, x = demo_network(1)
    products = sum(getattr(layer, "groups", 1) == 1 for layer in network.layers)
    assert play_layers(network, x, unit, arithmetic, vectors=4) == products
