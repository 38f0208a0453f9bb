"""The von Neumann array: parameters, layout, cycles, and the accesses that energies are charged for."""

from __future__ import annotations

import random

import pytest
from counted_accesses import count_accesses

from asm_hw.errors import ParameterError
from asm_hw.ppa.energy import memory_system as system
from asm_hw.units.vn_array import vn_array_unit as vn_array
from asm_hw.units.vn_array.vn_array_config import BusBlock, VnArrayConfig
from asm_hw.units.von_neumann.vn_checks import random_words
from asm_hw.units.von_neumann.word_program import array_program

SMALL = VnArrayConfig(arithmetic="exact", weight_bits=8, lanes=4, columns=4, hold=4, depth=256)
LARGE = VnArrayConfig(arithmetic="exact", weight_bits=8, lanes=64, columns=32, hold=64, depth=8192)


@pytest.mark.parametrize(("parameters", "sentence"), [
    ({"bus_bits": 4}, "bus_bits must be an integer from 8 to 512, not 4"),
    ({"hold": 0}, "hold must be an integer from 1 to 1024, not 0"),
    ({"depth": 13}, "depth must be at least 14, a tile, its parameters and a vector, not 13"),
    ({"outputs": 3}, "outputs must divide columns (4), not 3"),
    ({"structure": "carry_save"}, "structure of unit vn_array must be one of heap, greedy, wallace, tree, plain, not 'carry_save'"),
])  # fmt: skip
def test_impossible_parameters_are_one_sentence(parameters, sentence):
    small = {"arithmetic": "exact", "weight_bits": 8, "lanes": 4, "columns": 4, "hold": 4}
    with pytest.raises(ParameterError) as error:
        VnArrayConfig(**small | parameters)
    assert str(error.value) == sentence


@pytest.mark.parametrize("arithmetic", ["asm", "exact", "bare"])
def test_default_depth_holds_a_tile(arithmetic):
    for weight_bits in range(2, 9):
        VnArrayConfig(arithmetic=arithmetic, weight_bits=weight_bits)


def test_operands_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="depth must be at least 288 for 8 x 40 weights and 16 vectors, not 256"):
        array_program(SMALL, [[0] * 40] * 8, [[0] * 40] * 16, [0] * 8)


def test_rows_beats_and_outputs_begin_with_words():
    """Two outputs of six inputs, five vectors: two tiles of four rows, four channels of two rows, two blocks."""
    w, x = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]], [[16 + vector] * 6 for vector in range(5)]
    made = array_program(SMALL, w, x, [3 << 32 | 7, 9], start=8)
    assert made.words[:12] == [0x04030201, 0x0A090807, 0, 0, 7, 3, 9, 0, 0, 0, 0, 0]
    assert made.words[12:16] == [0x0605, 0x0C0B, 0, 0]
    assert made.words[16:] == [word for v in range(5) for word in (0x01010101 * (16 + v), 0x0101 * (16 + v))]
    blocks = [BusBlock(8, 2, 3, True, 24, 2, 34, 1), BusBlock(8, 2, 2, False, 30, 2, 37, 1)]
    assert made.jobs == blocks
    assert made.results == range(34, 39)


def test_a_large_product_takes_the_words_that_it_moves():
    """What is not a word moved is less than 3 % of the cycles, at a layer of 64 x 576 and 256 vectors."""
    blocks = LARGE.blocks(64, 576, 256)
    words = sum(LARGE.accesses(blocks).values())
    assert words < LARGE.cycles(blocks) < 1.03 * words


@pytest.mark.parametrize("shape", [(4, 4, 4), (8, 12, 6)])
def test_the_rtl_accesses_its_memory_as_energies_are_charged(shape, monkeypatch):
    outputs, inputs, vectors = shape
    work = system.Work(outputs, inputs, vectors, resident=1, stored=inputs)
    counted = count_accesses(vn_array, SMALL, random_words(SMALL, random.Random(1), shape), monkeypatch)
    found = SMALL.accesses(SMALL.blocks(*shape))
    reads = found["weights"] + found["parameters"] + found["activations"]
    assert counted == {"reads": reads, "writes": found["outputs"]}
    # The model charges just those.
    row = system.vn_array(SMALL, {"column_fj": {}, "shared_fj": {}}, work, sized=False, clock_mhz=100.0)[
        "memory_parts_fj"
    ]
    shared = system.shared_memory(work, SMALL, False)
    charged = {"weights": found["weights"] + found["parameters"], "activations": found["activations"]}
    for name, count in charged.items():
        assert row[name] * work.macs / shared.energy_fj("read") == pytest.approx(count, rel=1e-5)
    assert row["outputs"] * work.macs / shared.energy_fj("write") == pytest.approx(found["outputs"], rel=1e-5)


def test_accesses_are_the_rows_of_the_near_memory_array():
    work = system.Work(outputs=64, inputs=576, vectors=256, resident=64, stored=64)
    rows, words = system.row_accesses(LARGE, work), LARGE.accesses(LARGE.blocks(64, 576, 256))
    assert words["weights"] + words["parameters"] == 16 * rows["weights"]  # 512 bits in words of 32
    assert words["activations"] == 16 * rows["activations"]
    assert words["outputs"] == 8 * rows["outputs"]  # 256 bits
