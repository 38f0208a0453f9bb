"""Energy of whole units whose sums are checked."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import pytest
from small_liberty import full_library

from asm_hw.errors import ParameterError
from asm_hw.ppa.activity import gate_simulation as activity
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.baselines.design_points import design_points, map_points
from asm_hw.ppa.energy import unit_energy as energy
from asm_hw.ppa.netlist.synthesis import has_adder_cells
from asm_hw.ppa.technology.cell_library import compact_library, user_library
from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog for delays")

SMALL = MacConfig(act_bits=4, acc_bits=10)
SHORT = StreamOptions(cycles=60, hold=20)


def mapped(config, library):
    """A unit as the energy flow takes it, mapped in the quickest way."""
    return energy.map_unit(design_points(config, library, thorough=False)[0])


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compact_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module", params=[SMALL, DotConfig(act_bits=4, lanes=4, columns=2)], ids=lambda c: c.unit)
def unit(request, library):
    return mapped(request.param, library)


@needs_icarus
@pytest.mark.parametrize("weights", ["held", "streaming"])
def test_parts_and_kinds_add_up_and_every_pin_is_measured(unit, library, weights, tmp_path):
    one = energy.measure(unit, library, replace(SHORT, weights=weights), 100.0)
    row = one.row
    total = row["energy_per_mac_fj"]
    assert sum(row["parts_per_mac_fj"].values()) == pytest.approx(total, abs=0.01)
    assert sum(row[f"{kind}_per_mac_fj"] for kind in ("switching", "internal", "leakage")) == pytest.approx(
        total, abs=0.01
    )
    assert 50 < row["moving_pins_percent"] < 100
    assert min(row["parts_per_mac_fj"].values()) >= 0 and row["parts_per_mac_fj"]["clock"] > 0
    if unit.config.unit == "dot":  # in a lone mac mapping merges the adder for three times x with what follows
        assert row["parts_per_mac_fj"]["bank"] > 0
    assert row["parts_per_mac_fj"]["other"] < 0.1 * total


@needs_icarus
def test_a_netlist_that_computes_wrongly_has_no_energy(unit, library):
    broken = unit.netlist_json.replace('"sg13g2_nand2_1"', '"sg13g2_nor2_1"', 1)
    assert broken != unit.netlist_json
    with pytest.raises(ParameterError, match="must compute what the golden model does"):
        energy.measure(replace(unit, netlist_json=broken), library, SHORT, 100.0)


@needs_icarus
@pytest.mark.full
def test_glitches_cost_and_the_bound_leaves_them_out(library, monkeypatch):
    unit = mapped(SMALL, library)
    with_glitches = energy.measure(unit, library, SHORT, 100.0).row
    monkeypatch.setattr(energy, "simulator", lambda: activity.BOUND)
    bound = energy.measure(unit, library, SHORT, 100.0).row
    assert bound["switching_per_mac_fj"] < with_glitches["switching_per_mac_fj"]
    assert bound["parts_per_mac_fj"]["clock"] == pytest.approx(with_glitches["parts_per_mac_fj"]["clock"], rel=0.01)


def test_a_clock_that_the_netlist_cannot_reach_is_refused(unit, library):
    with pytest.raises(ParameterError, match=r"clock_mhz must be at most \d+\.\d for the netlist of .*, not 5000"):
        energy.measure(unit, library, SHORT, 5000.0)


@needs_icarus
def test_a_cell_without_power_tables_is_refused(unit, library, tmp_path):
    """It would count as free, whatever it does."""
    path = tmp_path / "cells.lib"
    text = library.paths[0].read_text()
    cell = re.search(r"  cell \(sg13g2_xor2_1\).*?(?=\n  }\n)", text, re.DOTALL)[0]
    path.write_text(text.replace(cell, re.sub(r"internal_power", "internal_note", cell)))
    with pytest.raises(ParameterError, match="power tables for cell sg13g2_xor2_1, which the netlist uses"):
        energy.measure(unit, user_library(str(path)), SHORT, 100.0)


DOT = DotConfig(alphabets=(1,), weight_bits=5, act_bits=8, lanes=4)
COMPARED = {
    "mac": SMALL,
    "mac exact": MacConfig(arithmetic="exact", weight_bits=8, act_bits=8),
    "dot {1}": DOT,
    "dot {1,3}": replace(DOT, alphabets=(1, 3)),
    "dot exact": replace(DOT.baseline("exact"), weight_form="booth"),
}


@needs_icarus
@pytest.mark.parametrize(
    ("technology", "name"),
    [
        pytest.param(technology, name, marks=[] if name == "mac" and technology != "asap7" else pytest.mark.full)
        for technology in TECHNOLOGIES
        for name in COMPARED
    ],
)
def test_the_compact_table_gives_the_energy_of_the_full_library(technology, name, data_folder, tmp_path):
    compact, full = compact_library(tmp_path, technology), full_library(data_folder, technology)
    if not full.paths:
        pytest.skip(f"needs the full library of {technology} in the data folder")
    recipe = "adder cells" if has_adder_cells(compact) else "balanced"
    unit = energy.map_unit(map_points([(COMPARED[name], recipe)], compact)[0])
    ours, theirs = (energy.measure(unit, cells, SHORT, 100.0).row for cells in (compact, full))
    assert ours["energy_per_mac_fj"] == pytest.approx(theirs["energy_per_mac_fj"], rel=0.1)
    assert ours["internal_per_mac_fj"] == pytest.approx(theirs["internal_per_mac_fj"], rel=0.1)
    assert ours["leakage_per_mac_fj"] == pytest.approx(theirs["leakage_per_mac_fj"], rel=0.1)
