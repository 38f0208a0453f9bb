"""Energy of the bitline array: accesses and published figures; the gate-level core in the full run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from asm_hw.emission.emit_folder import render
from asm_hw.errors import ParameterError
from asm_hw.ppa.activity.recorded_layers import recorded_matrix
from asm_hw.ppa.energy.bitline_accesses import accesses_energy_fj, cells
from asm_hw.ppa.energy.bitline_core_energy import core_energy
from asm_hw.ppa.energy.bitline_energy import Core, layer_energy, layer_trace, scalar_energy, smallest_memory
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.ppa.technology.sram_model import Sram, compute_energies_pj, measured
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_counter import access_kinds
from asm_hw.units.bitline.bitline_instructions import End, Instruction, Operation

ONE = BitlineConfig(alphabets=(1,), rows=64, cols=512, terms=64)
RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


def test_the_recorded_layer_is_as_large_as_said():
    vectors, weights = recorded_matrix()
    assert weights.shape == (64, 64)
    assert len(vectors) >= 256
    assert vectors.min() == 0
    assert 0.3 < (vectors == 0).mean() < 0.7


def test_accesses_are_charged_by_what_they_open_and_write():
    steps = [
        Instruction(Operation.WRITE), Instruction(Operation.READ, opened=1), Instruction(Operation.COPY, opened=1),
        Instruction(Operation.XOR, opened=2), Instruction(Operation.ACCUMULATE, opened=2),
        Instruction(Operation.ACCUMULATE, opened=1), Instruction(Operation.ACCUMULATE),
        Instruction(Operation.ACCUMULATE, opened=2, end=End.STORED), Instruction(Operation.MASK),
    ]  # fmt: skip
    found = access_kinds(steps)
    assert found == {"write": 1, "read": 2, "read_write": 1, "read_compute_write": 2, "two_row": 1, "none": 2}
    sram = cells(ONE)
    assert (sram.rows, sram.columns, sram.bits) == (64, 512, 512)
    bounds = compute_energies_pj(sram)
    plain = sram.energy_pj("write") + 2 * sram.energy_pj("read") + sram.energy_pj("read_write")
    upper = plain + 2 * bounds["read_compute_write_energy_pj"] + bounds["two_row_energy_pj"]
    assert accesses_energy_fj(sram, found) == pytest.approx(1000 * upper)
    assert accesses_energy_fj(sram, found, "lower") < 1000 * upper


def test_scalar_fetches_both_operands_four_to_a_word():
    row = scalar_energy({"heap": 2000.0, "activations": 100.0}, sized=False, clock_mhz=50.0)
    assert row["memory"] == "8192 x 32"
    macro = measured(Sram(8192, 32))
    assert row["memory_fj"] == pytest.approx(1000 * 2 * macro["read_energy_pj"] / 4)
    assert row["movement_fj"] == pytest.approx(100 + 1000 * macro["write_energy_pj"] / 4 / 64)
    assert row["compute_fj"] == 2000
    assert smallest_memory(100, 8).words == 112


def test_published_figures_are_those_of_this_version_and_meet_the_targets():
    """All but the gate-level part is computed again."""
    result = json.loads((RESULTS / "bitline.json").read_text())
    core = Core(**result["designs"]["{1}"]["core"])
    for regime, rows, most in (("sized", 64, 0.35), ("shared", 512, 0.10)):
        row = layer_energy(replace(ONE, rows=rows), core, regime == "sized", result["clock_mhz"])
        published = result["designs"]["{1}"][regime]
        for name, value in row.items():  # the file is in pJ, which costs the last bit
            wanted = published[name] if name in published else 1000 * published[name.replace("_fj", "_pj")]
            assert value == (pytest.approx(wanted, rel=1e-12) if name.endswith("_fj") else wanted)
        assert published["total_pj"] <= most * result[f"vn_scalar_{regime}"]["total_pj"]
    assert result["bit_serial"]["shared"]["cycles_per_mac"] >= 8 * result["designs"]["{1}"]["shared"]["cycles_per_mac"]


@pytest.mark.full
def test_a_core_is_measured_and_a_wrong_one_refused(tmp_path):
    library = compact_library(tmp_path)
    config = replace(ONE, cols=16, counter_bits=0)
    found = layer_trace(config)
    row = core_energy(config, library, found, 50.0)
    assert 500 * config.words < row["energy_per_cycle_fj"] < 5000 * config.words
    found.words[0] ^= 1
    with pytest.raises(ParameterError, match="must compute what the golden model does"):
        core_energy(config, library, found, 50.0)
    with pytest.raises(ParameterError, match="clock_mhz must be at most"):
        core_energy(config, library, found, 5000.0)


@pytest.mark.full
def test_verilog_grows_no_faster_than_the_cells():
    sizes = {}
    for side in (64, 128, 256):
        text = render(BitlineConfig(alphabets=(1,), rows=side, cols=side), "unit")["unit.v"]
        sizes[side] = len(text) / side**2
    assert sizes[64] > sizes[128] > sizes[256]
