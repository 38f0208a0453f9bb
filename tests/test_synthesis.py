"""Area: the mapping itself, and what it refuses."""

from __future__ import annotations

import pytest

from asm_hw.config import DotConfig, MacConfig, counterpart
from asm_hw.errors import ParameterError
from asm_hw.gateware import make_component
from asm_hw.ppa.cells import compact_library, user_library
from asm_hw.ppa.compact import compact_table
from asm_hw.ppa.synthesis import RECIPES, best, compare, count_cells, mapping_commands, run_yosys, synthesize
from asm_hw.verilog import to_verilog

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


def test_comparison_is_complete_honest_and_repeatable():
    config = MacConfig(alphabets=(1,))
    result = compare(config)
    assert result == compare(config)
    rows = result["rows"]
    assert set(rows) == {"asm", "exact", "bare"}
    asm, exact = rows["asm"], rows["exact"]
    assert rows["bare"]["area_um2"] < asm["area_um2"] < exact["area_um2"]
    assert asm["area_ratio_to_exact"] == pytest.approx(asm["area_um2"] / exact["area_um2"], abs=1e-4)
    for row in rows.values():
        assert row["area_um2"] == min(tried["area_um2"] for tried in row["tried"])
        assert row["delay_ns"] > 0
        assert sum(row["histogram"].values()) == row["cells"]
    twins = [counterpart(config, arithmetic) for arithmetic in ("exact", "bare")]
    assert {twin.acc_width for twin in twins} == {config.acc_width}


@pytest.mark.parametrize("recipe", ["area", "area chained"])
def test_sixteen_lanes_on_one_alphabet_are_smaller_than_exact(recipe, tmp_path):
    config = DotConfig(alphabets=(1,))
    library = compact_library(tmp_path)
    units = (config, counterpart(config, "exact"))
    asm, exact = (synthesize(verilog_of(unit), unit.slug, library, recipe).area_um2 for unit in units)
    assert asm < exact


def test_booth_is_tried_where_there_is_a_multiplication(tmp_path):
    library = compact_library(tmp_path)
    for config, booth in ((SMALL_MAC, False), (counterpart(SMALL_MAC, "exact"), True)):
        _, tried = best(verilog_of(config), config.slug, library)
        assert [result.recipe for result in tried] == [name for name in RECIPES if booth or "booth" not in name]


def prove(config, recipe, folder, damage=None):
    """Have Yosys prove the mapped netlist of a unit equal to its RTL, registers included."""
    name = config.slug
    commands = mapping_commands(verilog_of(config), name, compact_library(folder), recipe, folder)
    run_yosys([*commands, f"rename {name} gate", "write_verilog -noattr mapped.v"], folder)
    if damage:
        mapped = (folder / "mapped.v").read_text()
        assert damage[0] in mapped
        (folder / "mapped.v").write_text(mapped.replace(*damage, 1))
    flat = ["proc", "flatten", "opt_clean -purge"]
    gate = ["read_liberty -ignore_miss_func library_0.lib", "read_verilog mapped.v", "hierarchy -top gate", *flat]
    gold = ["read_verilog design.v", f"hierarchy -top {name}", *flat, f"rename {name} gold"]
    both = ["design -copy-from rtl gold", "design -copy-from mapped gate", "equiv_make gold gate both"]
    proof = ["hierarchy -top both", "async2sync", "equiv_simple", "equiv_induct", "equiv_status -assert"]
    run_yosys([*gate, "design -stash mapped", *gold, "design -stash rtl", *both, *proof], folder)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("config", [SMALL_MAC, counterpart(SMALL_MAC, "exact")], ids=["asm", "exact"])
def test_mapped_netlist_equals_the_rtl(config, recipe, tmp_path):
    prove(config, recipe, tmp_path)


def test_the_proof_notices_a_wrong_gate(tmp_path):
    with pytest.raises(RuntimeError, match="unproven"):
        prove(SMALL_MAC, "area", tmp_path, damage=("sg13g2_xor2_1", "sg13g2_xnor2_1"))


def test_multiplications_are_counted():
    assert count_cells(verilog_of(MacConfig(arithmetic="exact")), MacConfig(arithmetic="exact").slug) == 1
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
