"""Area: the mapping itself, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asm_hw.emission.verilog_text import to_verilog
from asm_hw.errors import ParameterError
from asm_hw.ppa.baselines.area_comparison import compare_area
from asm_hw.ppa.netlist import synthesis
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.mapped_parts import synthesize_parts
from asm_hw.ppa.netlist.synthesis import RECIPES, mapping_commands, synthesize
from asm_hw.ppa.netlist.yosys import count_cells, run_yosys
from asm_hw.ppa.technology.cell_library import compact_library, user_library
from asm_hw.ppa.technology.compact_tables import compact_table
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.registry import make_component, memory_modules
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

SMALL_MAC = MacConfig(act_bits=4, acc_bits=10)
TWO = "module two(input c, input a, input b, output reg y); always @(posedge c) y <= ~(a & b); endmodule"


def verilog_of(config):
    return to_verilog(make_component(config), config.slug)


@pytest.fixture
def full_library(data_folder):
    path = data_folder / "liberty/ihp-sg13g2/sg13g2_stdcell_typ_1p20V_25C.lib.gz"
    if not path.is_file():
        pytest.skip("needs the full IHP SG13G2 library in the data folder")
    return path


def test_area_is_the_sum_of_the_cells(tmp_path):
    result = synthesize(TWO, "two", compact_library(tmp_path), "area")
    areas = {name: cell["area_um2"] for name, cell in compact_table()["cells"].items()}
    assert result.histogram == {"sg13g2_dfrbpq_1": 1, "sg13g2_nand2_1": 1}
    assert result.cells == 2
    assert result.area_um2 == pytest.approx(areas["sg13g2_dfrbpq_1"] + areas["sg13g2_nand2_1"])
    assert result.delay_ns > 0
    assert result.tool.startswith("pyosys ")


def test_wires_alone_have_no_area_and_no_delay(tmp_path):
    wire = "module wire_only(input a, output y); assign y = a; endmodule"
    result = synthesize(wire, "wire_only", compact_library(tmp_path), "area")
    assert (result.cells, result.area_um2, result.delay_ns) == (0, 0.0, 0.0)


def test_multiplexers_that_optimisation_makes_are_mapped(tmp_path, monkeypatch):
    chooses = "module chooses(input s, input a, input b, output y); assign y = s ? a : b; endmodule"
    (tmp_path / "design.v").write_text(chooses)
    run_yosys(["read_verilog design.v", "hierarchy -top chooses", "proc", "write_rtlil coarse.il"], tmp_path)
    coarse = (tmp_path / "coarse.il").read_text()
    assert "cell $mux" in coarse
    monkeypatch.setattr(synthesis, "_synthesized", lambda *_: coarse)
    assert synthesize(chooses, "chooses", compact_library(tmp_path), "balanced").histogram == {"sg13g2_mux2_1": 1}


NEAR = NearMemoryConfig(alphabets=(1,), lanes=2, columns=1, hold=2, depth=16, act_bits=4, acc_bits=12)


def test_a_memory_stays_outside(tmp_path):
    """Of ports alone: sixteen times the rows are four more bits of address, in a loader and in a command."""
    library, kept = compact_library(tmp_path), ("area_um2", "cells")
    found = []
    for config in (NEAR, replace(NEAR, depth=256)):
        memory = memory_modules(config, config.slug)
        mapped = synthesize(verilog_of(config), config.slug, library, "area", memory)
        netlist = Netlist.from_yosys_json(mapped.netlist_json, config.slug)
        sizes = {name.rpartition(".")[2]: len(bits) for name, (_, bits) in netlist.ports.items() if "memory" in name}
        wanted = {"data": config.row_bits, "row": config.row_bits, "address": config.row_address_bits, "write": 1}
        assert sizes | wanted == sizes
        found.append([getattr(mapped, name) for name in kept])
    assert all(small < large < 1.15 * small for small, large in zip(*found, strict=True))
    assert memory_modules(SMALL_MAC, "mac") == ()


@pytest.mark.parametrize("config", [
    NEAR, replace(NEAR, memory="macro"), VnScalarConfig(depth=32), VnScalarConfig(depth=32, memory="macro"),
    VnArrayConfig(lanes=2, columns=1, hold=2, depth=64, act_bits=4), BitlineConfig(alphabets=(1,), rows=8, cols=16),
], ids=lambda config: config.slug)  # fmt: skip
def test_the_memory_that_stays_outside_is_a_module_of_the_verilog(config):
    assert f"module {memory_modules(config, config.slug)[0]}(" in verilog_of(config)


def test_no_bit_cells_are_in_the_area_of_a_bitline_array(tmp_path):
    """Twice the rows are one more bit of each address; 512 more cells would be 512 more flip-flops."""
    library, config = compact_library(tmp_path), BitlineConfig(alphabets=(1,), act_bits=4, rows=64, cols=8, terms=4)
    few, many = (
        synthesize(verilog_of(size), size.slug, library, "area", memory_modules(size, size.slug)).cells
        for size in (config, replace(config, rows=128))
    )
    assert 0 <= many - few < 20


LEAVES = """
module leaf(input c, input [3:0] a, input [3:0] b, output reg [3:0] y); always @(posedge c) y <= a ^ b; endmodule
module tree(input c, input [3:0] a, input [3:0] b, output [3:0] y, output q);
  wire [3:0] m, n;
  leaf left (.c(c), .a(a), .b(b), .y(m));
  leaf right (.c(c), .a(b), .b(~a), .y(n));
  leaf last (.c(c), .a(m), .b(n), .y(y));
  assign q = &y;
endmodule
"""


def test_parts_are_mapped_once_and_counted_as_often_as_they_stand(tmp_path):
    library = compact_library(tmp_path)
    leaf, whole = (synthesize(LEAVES, top, library, "area") for top in ("leaf", "tree"))
    around = synthesize(LEAVES, "tree", library, "area", ("leaf",))
    parts = synthesize_parts(LEAVES, "tree", library, "area", ["leaf"])
    assert leaf.cells == 8 and around.cells > 0
    assert parts.cells == 3 * leaf.cells + around.cells == sum(parts.histogram.values())
    assert parts.area_um2 == pytest.approx(3 * leaf.area_um2 + around.area_um2)
    # But for what the border hides: inverters that could be parts of gates.
    assert whole.area_um2 <= parts.area_um2 < 1.2 * whole.area_um2
    assert parts.delay_ns == max(leaf.delay_ns, around.delay_ns)


@pytest.mark.full
def test_an_engine_is_mapped_in_parts_without_its_memories():
    """Of 6,784 bits of memory none is a register."""
    small = {"hold": 8, "segments": 2, "bank_rows": 8, "weight_rows": 64, "program_rows": 64}
    result = compare_area(EngineConfig(alphabets=(1,), lanes=9, taps=9, columns=2, **small))
    assert list(result["rows"]) == ["asm", "exact"]
    assert list(result["memories"]) == ["bank", "weights_memory", "program_memory"]
    registers = [sum(n for cell, n in row["histogram"].items() if "_df" in cell) for row in result["rows"].values()]
    assert all(1500 < number < 4000 for number in registers), registers


def test_results_are_kept_by_content(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library = compact_library(tmp_path)
    first = synthesize(TWO, "two", library, "area")
    kept = list((tmp_path / "cache/asm-hw/mapped").iterdir())
    assert len(kept) == 1
    assert synthesize(TWO, "two", library, "area") == first
    kept[0].write_text(kept[0].read_text().replace('"cells": 2', '"cells": 3'))
    assert synthesize(TWO, "two", library, "area").cells == 3, "read again, not mapped again"
    assert synthesize(TWO.replace("& b", "| b"), "two", library, "area").cells == 2


def test_adder_modules_become_the_cells_of_the_library(tmp_path):
    config = DotConfig(act_bits=4, lanes=4)
    result = synthesize(verilog_of(config), config.slug, compact_library(tmp_path, "sky130hd"), "adder cells")
    assert result.histogram["sky130_fd_sc_hd__fa_1"] >= 4 * config.act_bits


@pytest.mark.parametrize("recipe", ["area", "area chained"])
def test_sixteen_lanes_on_one_alphabet_are_smaller_than_exact(recipe, tmp_path):
    config = DotConfig(alphabets=(1,))
    library = compact_library(tmp_path)
    units = (config, config.baseline("exact"))
    asm, exact = (synthesize(verilog_of(unit), unit.slug, library, recipe).area_um2 for unit in units)
    assert asm < exact


def prove(config, recipe, folder, damage=None):
    """Have Yosys prove the mapped netlist of a unit equal to its RTL, registers included.

    The clock is left ungated: a gated one is checked by simulation, against the golden model.
    """
    name, library = config.slug, compact_library(folder, "sky130hd" if recipe == "adder cells" else "sg13g2")
    commands = mapping_commands(verilog_of(config), name, library, recipe, folder)
    commands = [command for command in commands if not command.startswith("clockgate")]
    run_yosys([*commands, f"rename {name} gate", "write_verilog -noattr mapped.v"], folder)
    if damage:
        mapped = (folder / "mapped.v").read_text()
        assert damage[0] in mapped
        (folder / "mapped.v").write_text(mapped.replace(*damage, 1))
    (folder / "design.v").write_text(verilog_of(config))
    flat = ["proc", "flatten", "opt_clean -purge"]
    gate = ["read_liberty -ignore_miss_func library_0.lib", "read_verilog mapped.v", "hierarchy -top gate", *flat]
    gold = ["read_verilog design.v", f"hierarchy -top {name}", *flat, f"rename {name} gold"]
    both = ["design -copy-from rtl gold", "design -copy-from mapped gate", "equiv_make gold gate both"]
    proof = ["hierarchy -top both", "async2sync", "equiv_simple", "equiv_induct", "equiv_status -assert"]
    run_yosys([*gate, "design -stash mapped", *gold, "design -stash rtl", *both, *proof], folder)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("config", [SMALL_MAC, SMALL_MAC.baseline("exact")], ids=["asm", "exact"])
def test_mapped_netlist_equals_the_rtl(config, recipe, tmp_path):
    prove(config, recipe, tmp_path)


def test_the_proof_notices_a_wrong_gate(tmp_path):
    with pytest.raises(RuntimeError, match="unproven"):
        prove(SMALL_MAC, "area", tmp_path, damage=("sg13g2_xor2_1", "sg13g2_xnor2_1"))


def test_multiplications_are_counted():
    exact = MacConfig(arithmetic="exact", structure="tree")
    assert count_cells(verilog_of(exact), exact.slug) == 1
    for config in (
        MacConfig(),
        DotConfig(lanes=4, alphabets=(1, 3, 5, 7)),
        MacConfig(alphabets=(1,), act_alphabets=(1,)),
    ):
        assert count_cells(verilog_of(config), config.slug) == 0


def test_files_may_be_compressed_and_named_as_they_like(full_library, tmp_path):
    path = tmp_path / "my cells; and more.lib"  # compressed, though the name does not say so
    path.write_bytes(full_library.read_bytes())
    assert synthesize(TWO, "two", user_library(str(path)), "area").cells == 2


FF = b"cell (f) { pin (q) { function : q; } ff (i, j) { next_state : d; clocked_on : c; } }"
GATE = b"cell (g) { pin (y) { function : a; } }"
BAD = {
    "missing": (None, "readable"),
    "not liberty": (b"hello world", "library group"),
    "empty": (b"", "library group"),
    "truncated": (b"library (l) { cell (a) { area : 1;", "ends inside"),
    "truncated gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip|complete"),
    "no flip-flop": (b"library (l) { " + GATE + b" }", "flip-flop"),
    "no gate": (b"library (l) { " + FF + b" }", "gates"),
    "a cell twice": (b"library (l) { " + FF + GATE + GATE + b" }", "each cell once, not g"),
    "malformed": (b"library (l) { cell } }", "malformed"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD)
def test_bad_libraries_are_refused(content, words, tmp_path):
    path = tmp_path / "cells.lib"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ParameterError, match=words) as refused:
        user_library(str(path))
    assert "liberty" in str(refused.value)


@pytest.mark.parametrize("liberty", ["", ",", "{path},", "{path},{path}", "{folder}"])
def test_bad_lists_of_libraries_are_refused(liberty, tmp_path):
    path = tmp_path / "cells.lib"
    path.write_bytes(b"library (l) { " + FF + GATE + b" }")
    with pytest.raises(ParameterError, match="liberty"):
        user_library(liberty.format(path=path, folder=tmp_path))
