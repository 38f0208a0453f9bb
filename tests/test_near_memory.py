"""The near-memory array: parameters, golden arithmetic, cycles, accesses."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw import golden
from asm_hw.emission.emit_folder import render
from asm_hw.errors import ParameterError
from asm_hw.numbers.integers import ceil_div
from asm_hw.ppa.energy import memory_system as system
from asm_hw.units.near_memory.near_memory_config import Block, NearMemoryConfig

SMALL = NearMemoryConfig(alphabets=(1,), lanes=4, columns=2, hold=4, depth=64)


@pytest.mark.parametrize(("parameters", "sentence"), [
    ({"hold": 0}, "hold must be an integer from 1 to 1024, not 0"),
    ({"lanes": 257}, "lanes must be an integer from 1 to 256, not 257"),
    ({"depth": 10, "lanes": 64, "columns": 8}, "depth must be at least 16, a tile and its parameters, not 10"),
    ({"depth": 1 << 17}, "depth must be an integer from 2 to 65536, not 131072"),
    ({"outputs": 3, "columns": 8}, "outputs must divide columns (8), not 3"),
    ({"outputs": 9, "columns": 8}, "outputs must be an integer from 1 to 8, not 9"),
    ({"memory": "dram"}, "memory must be one of inferred, macro, not 'dram'"),
    ({"weight_code": "fields"}, "weight_code 'fields' must be packed: so the weight memory holds them"),
    ({"structure": "carry_save"}, "structure of unit near_memory must be one of heap, greedy, wallace, tree, plain, not 'carry_save'"),
    ({"out_bits": 33}, "out_bits must be an integer from 1 to 32, not 33"),
    ({"out_bits": 1, "out_signed": True}, "out_bits must be an integer from 2 to 32, not 1"),
])  # fmt: skip
def test_impossible_parameters_are_one_sentence(parameters, sentence):
    with pytest.raises(ParameterError) as error:
        NearMemoryConfig(**parameters)
    assert str(error.value) == sentence


def test_the_command_line_refuses_and_notes(cli):
    refused = cli("rtl", "--unit", "near_memory", "--hold", "0")
    assert (refused.returncode, refused.stderr) == (2, "error: hold must be an integer from 1 to 1024, not 0\n")
    assert cli("rtl", "--unit", "mac", "--depth", "0").returncode == 2
    noted = cli("rtl", "--unit", "mac", "--depth", "64")
    assert noted.returncode == 0
    assert "note: unit mac has no depth: 64 is not used\n" in noted.stderr
    roomy = cli("rtl", "--unit", "near_memory", "--lanes", "2", "--columns", "1", "--hold", "2")
    assert "room for sums of" in roomy.stderr


@settings(deadline=None)
@given(vectors=st.integers(1, 500), hold=st.integers(1, 64))
def test_blocks_are_few_and_even(vectors, hold):
    lengths = replace(SMALL, hold=hold).block_lengths(vectors)
    assert sum(lengths) == vectors
    assert len(lengths) == ceil_div(vectors, hold)
    assert max(lengths) <= hold
    assert max(lengths) - min(lengths) <= 1


@settings(deadline=None, max_examples=300)
@given(
    lanes=st.integers(8, 64), columns=st.integers(1, 32), extra=st.integers(3, 40),
    scale=st.tuples(*[st.floats(4.0, 9.0)] * 3),
)  # fmt: skip
def test_a_matrix_product_of_four_times_the_array_computes_in_95_percent_of_its_cycles(lanes, columns, extra, scale):
    """Where hold is a quarter longer than loads take, of weights and of parameters; blocks are at least 0.8 hold."""
    config = NearMemoryConfig(alphabets=(1,), lanes=lanes, columns=columns, hold=1, depth=1 << 16)
    config = replace(config, hold=(columns * config.rows_per_channel + extra) * 5 // 4 + 1)
    assert computing(config, *(int(k * n) for k, n in zip(scale, (columns, lanes, config.hold), strict=True))) >= 0.95


@pytest.mark.parametrize("more", [0, 1])
def test_the_default_array_computes_in_95_percent_of_its_cycles(more):
    config = NearMemoryConfig(alphabets=(1,))
    assert computing(config, *(4 * size + more for size in (config.columns, config.lanes, config.hold))) >= 0.95


def computing(config, outputs, inputs, vectors):
    """The part of the cycles in which the lanes compute."""
    tiles, passes = ceil_div(inputs, config.lanes), ceil_div(outputs, config.columns)
    blocks = [
        Block(0, tiles, length, first == 0)
        for _ in range(passes)
        for first, length in enumerate(config.block_lengths(vectors))
    ]
    return passes * tiles * vectors / config.cycles(blocks)


def test_the_product_is_golden_arithmetic():
    rng = random.Random(0)
    config = replace(SMALL, acc_bits=12, overflow="saturate", out_bits=8, out_signed=True)
    w = [[rng.choice(config.weight.levels.levels) for _ in range(10)] for _ in range(3)]
    x = [[rng.randrange(256) for _ in range(10)] for _ in range(5)]
    channels = {"scale": [1, 3 * 64, -64], "bias": [5, -1000, 0], "shift": [4, 9, 6]}
    channels["scale"] = [config.requantize.scale.levels.nearest(value) for value in channels["scale"]]
    parts = {name: torch.tensor(values) for name, values in channels.items()}
    formats = config.accumulator, config.requantize
    got = golden.requantized_product(torch.tensor(w), torch.tensor(x), parts, *formats, lanes=config.lanes)
    for v, vector in enumerate(x):
        for o, row in enumerate(w):
            acc = 0
            for tile in range(0, 10, config.lanes):
                products = zip(row[tile : tile + config.lanes], vector[tile : tile + config.lanes], strict=True)
                acc = max(-2048, min(acc + sum(a * b for a, b in products), 2047))
            scale, bias, shift = (channels[name][o] for name in ("scale", "bias", "shift"))
            y = (acc * scale + bias + (1 << shift - 1)) >> shift
            assert got[v, o] == max(-128, min(y, 127))


def test_baselines_have_the_same_ports():
    ports = [[p["name"] for p in _manifest(SMALL.baseline(kind))["ports"]] for kind in ("asm", "exact", "bare")]
    assert ports[0] == ports[1] == ports[2]


def _manifest(config):
    return json.loads(render(config, "unit")["manifest.json"])


def test_one_decoder_a_lane_whatever_the_columns():
    text = render(replace(SMALL, columns=4, depth=64), "unit")["unit.v"]
    top = text[text.index("module unit_array(") :]
    top = top[: top.index("endmodule")]
    assert len(re.findall(r"^  unit_\w*decoder\w* ", top, re.MULTILINE)) == SMALL.lanes
    assert len(re.findall(r"^module unit_\w*decoder\w*\(", text, re.MULTILINE)) == 2  # weights, scales


def test_memory_accesses_and_energies_by_hand():
    config = NearMemoryConfig(alphabets=(1,), lanes=64, columns=32, hold=64)
    work = system.Work(outputs=64, inputs=576, vectors=256, resident=64, stored=64)
    # Two groups of outputs; each reads its parameters once and nine tiles of 32 rows for each of four blocks.
    assert system.row_accesses(config, work) == {
        "weights": 2 * (32 + 4 * 9 * 32), "activations": 2 * 9 * 256, "outputs": 2 * 256
    }  # fmt: skip
    nothing = {"column_fj": {"heap": 64.0}, "shared_fj": {"heap": 0.0}}
    row = system.near_memory(config, nothing, work, sized=False, clock_mhz=100.0)
    reads = 4608 * 8 * 49.634  # eight macros of 256 x 64 side by side, pJ
    assert row["memory_parts_fj"]["activations"] == pytest.approx(1000 * reads / (64 * 576 * 256), rel=1e-4)
    assert row["compute_fj"] == 1.0


@pytest.mark.full
def test_verilog_grows_with_the_cells():
    """Bytes a lane and column are the same from 4 x 4 to 32 x 32, within the fixed part."""
    sizes = {}
    for side in (4, 8, 16, 32):
        config = NearMemoryConfig(alphabets=(1,), lanes=side, columns=side, hold=side, depth=1024)
        sizes[side] = len(render(config, "unit")["unit.v"])
    assert sizes[32] / sizes[16] < 4.4
    assert sizes[16] / sizes[8] < 4.4
