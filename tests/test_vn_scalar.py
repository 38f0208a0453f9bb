"""The scalar von Neumann machine: parameters, layout, cycles, and the accesses that energies are charged for."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from counted_accesses import count_accesses

from asm_hw.errors import ParameterError
from asm_hw.ppa.energy import memory_system as system
from asm_hw.units.memory_model import expected_outputs
from asm_hw.units.vn_scalar import vn_scalar_unit as vn_scalar
from asm_hw.units.vn_scalar.vn_scalar_config import Job, VnScalarConfig
from asm_hw.units.von_neumann.vn_checks import random_words
from asm_hw.units.von_neumann.word_program import word_program

INT8 = VnScalarConfig(arithmetic="exact", weight_bits=8, depth=128)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"bus_bits": 7}, "bus_bits must be an integer from 8 to 512, not 7"),
        ({"bus_bits": 8, "act_bits": 12}, "bus_bits must be at least 12, an operand or an output, not 8"),
        ({"bus_bits": 16, "out_bits": 20}, "bus_bits must be at least 20, an operand or an output, not 16"),
        ({"depth": 4}, "depth must be at least 5, an output and its operands, not 4"),
        ({"depth": 1 << 17}, "depth must be an integer from 2 to 65536, not 131072"),
        ({"memory": "dram"}, "memory must be one of inferred, macro, not 'dram'"),
        ({"weight_code": "fields"}, "weight_code 'fields' must be packed: so the weight memory holds them"),
        ({"out_bits": 33}, "out_bits must be an integer from 1 to 32, not 33"),
    ],
)
def test_impossible_parameters_are_one_sentence(parameters, sentence):
    with pytest.raises(ParameterError) as error:
        VnScalarConfig(**parameters)
    assert str(error.value) == sentence


def test_operands_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="depth must be at least 155 for 2 x 200 weights and 1 vectors, not 128"):
        word_program(INT8, [[0] * 200] * 2, [[0] * 200], [0, 0])


def test_words_hold_as_many_operands_as_fit():
    """Two outputs of five inputs, two vectors; a channel's 60 bits are two words."""
    made = word_program(INT8, [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]], [[17] * 5, [18] * 5], [3 << 32 | 7, 9], start=4)
    assert made.words == [0x04030201, 0x05, 7, 3, 0x09080706, 0x0A, 9, 0, 0x11111111, 0x11, 0x12121212, 0x12]
    assert made.jobs == [Job(4, 12, 16, 5, 2), Job(4, 14, 17, 5, 2)]
    assert made.results == range(16, 18)
    assert made.gather(INT8, [0x0201, 0x0403]) == [[1, 2], [3, 4]]


def test_an_accumulator_saturates_product_by_product():
    config = replace(INT8, acc_bits=10, overflow="saturate")
    w, x = [[100, 100, -1, -2]], [[5, 5, 100, 100]]
    # 500, 511 where the sum would be 1000, 411, 211; half of it, rounded up.
    assert expected_outputs(config, w, x, [{"scale": 1, "bias": 0, "shift": 1}]).tolist() == [[106]]


def test_cycles_by_hand():
    """Command, two reads, one cycle on the way, one MAC, requantization, write; parameters come meanwhile."""
    # 0 command; 1, 2 operands; 3, 4 parameters; 4 MAC; 6 both parameters are there: requantize; 7 write; 8 next.
    assert INT8.cycles([Job(0, 0, 0, 1, 1)]) == 8
    # The MACs run from cycle 4 to 11: requantize in 12, write in 13.
    assert INT8.cycles([Job(0, 0, 0, 8, 1)]) == 14
    assert INT8.cycles([Job(0, 0, 0, 8, 1)] * 3) == 42


@pytest.mark.parametrize(
    ("parameters", "per_mac"),
    [({}, 1.0), ({"bus_bits": 16}, 1.0), ({"bus_bits": 8}, 2.0), ({"weight_bits": 16, "act_bits": 16}, 1.0)],
)
def test_one_mac_a_cycle_unless_the_bus_is_too_narrow(parameters, per_mac):
    """A layer of 64 x 576: what is lost at its ends, and to parameters, is less than 2 %."""
    cycles = replace(INT8, acc_bits=None, **parameters).cycles([Job(0, 0, 0, 576, 64)])
    assert per_mac <= cycles / (64 * 576) < per_mac * 1.02


@pytest.mark.parametrize("parameters", [{}, {"arithmetic": "asm", "weight_bits": 5}, {"bus_bits": 16}], ids=str)
def test_the_rtl_accesses_its_memory_as_energies_are_charged(parameters, monkeypatch):
    config, vectors = replace(INT8, depth=256, acc_bits=None, weight_form=None, **parameters), 2
    work = system.Work(outputs=8, inputs=16, vectors=vectors, resident=1, stored=16)
    product = random_words(config, random.Random(1), (work.outputs, work.inputs, vectors))
    counted = count_accesses(vn_scalar, config, product, monkeypatch)
    found = config.accesses(work.outputs, work.inputs)
    reads = found["weights"] + found["activations"] + found["parameters"]
    assert counted == {"reads": vectors * reads, "writes": vectors * found["outputs"]}
    # The model charges those, at the energy of an access, but for the parameters.
    row = system.vn_scalar(config, {}, work, sized=False, clock_mhz=100.0)["memory_parts_fj"]
    shared = system.shared_memory(work, config, False)
    for name, kind in (("weights", "read"), ("activations", "read"), ("outputs", "write")):
        charged = row[name] * work.outputs * work.inputs / shared.energy_fj(kind)
        assert charged == pytest.approx(found[name], rel=1e-5)


@pytest.mark.parametrize("bus_bits", [16, 32, 64])
def test_the_longest_sum_is_the_last_that_fits(bus_bits):
    for depth in range(5, 60):
        config = VnScalarConfig(alphabets=(1,), act_bits=4, bus_bits=bus_bits, depth=max(depth, 11))
        assert config.words(1, config.max_inputs, 1) <= config.depth
        assert (
            config.words(1, config.max_inputs + max(config.weights_per_word, config.activations_per_word), 1)
            > config.depth
        )


def test_accesses_and_their_energy_by_hand():
    work = system.Work(outputs=64, inputs=576, vectors=256, resident=64, stored=64)
    assert INT8.accesses(64, 576) == {"weights": 9216, "activations": 9216, "parameters": 128, "outputs": 16}
    row = system.vn_scalar(INT8, {}, work, sized=False, clock_mhz=100.0)
    assert row["memory_parts_fj"]["weights"] == pytest.approx(230_353.3 / 4, rel=1e-6)  # 8192 x 32, four weights a word
