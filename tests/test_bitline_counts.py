"""Counts of whole networks on a bitline array: against the model that runs them, and by hand."""

from __future__ import annotations

from collections import Counter

import torch
from array_networks import SMALL, encoded_network, inputs_of
from tiny_network import last, tiny

from asm_hw.compiler.bitline_products import array_products
from asm_hw.compiler.bitline_program import compile_bitline
from asm_hw.compiler.fitted_array import array_for
from asm_hw.formats.product_format import ProductFormat
from asm_hw.network.integer_layers import IntegerLinear
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.bitline.bitline_harness import asm_steps
from asm_hw.units.bitline.bitline_model import BitlineModel
from asm_hw.units.bitline.bitline_schedule import accesses, tiles


def test_counts_are_those_of_the_array_that_runs_every_group_of_words():
    network = tiny(signed=True)
    config = array_for(network, **SMALL)
    report = compile_bitline(network, config).report
    x = inputs_of(network, 1)
    tensors, totals = network.tensors(x), Counter()
    for node, (source,), layer in zip(network.layers, network.sources, report["layers"], strict=True):
        model, opened, sums = BitlineModel(config), 0, 0
        for product in array_products(config, node, network.formats[source], tensors[source]):
            weights = product.weights.tolist()
            groups = product.vectors.split(config.words)
            for group in groups:
                for instruction, row in asm_steps(config, weights, group.tolist()):
                    model.execute(instruction, None if row is None else torch.tensor(row))
            cut = tiles(config, weights)
            parts = [row[tile.first : tile.first + len(tile.rows)] for tile in cut for row in weights]
            opened += len(groups) * sum(accesses(config, part) for part in parts)
            sums += len(product.vectors) * (len(parts) - len(weights))
        assert layer["cycles"] == model.cycles + 1  # the last sum leaves
        assert layer["micro_operations"] == {kind: model.counts[kind] for kind in config.counted}
        # A multiple of {1,3} is a row moved by one place and the same row again: the second access writes it.
        stored = layer["accesses"]["read_write"] + layer["accesses"]["read_compute_write"]
        assert layer["accesses"]["read"] + layer["accesses"]["two_row"] == opened + stored
        assert opened > 0
        assert layer["accesses"]["write"] == model.counts["write"]
        adds = sum(model.counts[kind] for kind in ("add", "sub", "shift_add"))
        assert opened + 2 * stored == adds
        assert sum(layer["accesses"].values()) == adds + model.counts["write"]
        assert layer["outside"]["partial_sums"] == sums
        assert layer["utilization"] == round(layer["macs"] / (2 * config.words * layer["cycles"]), 4)
        totals.update(layer["micro_operations"])
    assert report["micro_operations"] == totals
    assert report["cycles"] == sum(layer["cycles"] for layer in report["layers"])


def test_zero_digits_cost_nothing():
    """Weights by hand: one of two pairs, one alone, one empty output; {1}, 4-bit words, 2 vectors a row."""
    operands = ProductFormat.of(alphabets=(1,), weight_bits=5, act_bits=4)
    weight = torch.tensor([[1, 1, -2, -2, 0], [8, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    layer = IntegerLinear(name="only", operands=operands, weight=weight, requantize=last(3, 1))
    network = IntegerNetwork(layers=(layer,), input_shape=(5,), input_scale=1.0, output_scale=1.0)
    config = array_for(network, rows=8, cols=8)
    [counted] = compile_bitline(network, config).report["layers"]
    # 5 rows; first output: 2 pairs; second: one row, then to its place by 3; third: an empty sum; one to leave.
    assert counted["cycles"] == 5 + 2 + 2 + 1 + 1
    kinds = {kind: count for kind, count in counted["micro_operations"].items() if count}
    assert kinds == {"write": 5, "sub": 1, "shift_add": 1, "add": 1, "shift": 2}
    opened = {kind: count for kind, count in counted["accesses"].items() if count}
    assert opened == {"write": 5, "two_row": 2, "read": 1}


def test_vectors_side_by_side_share_the_micro_operations():
    network = encoded_network()
    config = array_for(network, rows=32, cols=64)
    one, many = (compile_bitline(network, config, batch) for batch in (1, 3 * config.words - 1))
    for alone, together in zip(one.layers, many.layers, strict=True):
        assert together.macs == (3 * config.words - 1) * alone.macs
        assert together.cycles - 1 == 3 * (alone.cycles - 1)


def test_groups_of_words_are_whole_rows():
    network = tiny()
    config = array_for(network, **SMALL)
    for layer in compile_bitline(network, config).layers:
        shape = network.shapes[layer.name]
        pixels = shape[1] * shape[2] if len(shape) == 3 else 1
        assert layer.groups == ceil_div(pixels, config.words)
