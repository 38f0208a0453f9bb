"""Area: the compact table against the full library, and the mapping itself."""

from __future__ import annotations

import pytest

from asm_hw.config import DotConfig, MacConfig, MultiplierConfig, counterpart
from asm_hw.errors import ParameterError
from asm_hw.gateware import make_component
from asm_hw.ppa.cells import compact_library, compact_table, user_library
from asm_hw.ppa.synthesis import best, compare, count_cells, run_yosys, synthesize
from asm_hw.verilog import to_verilog

FULL = "liberty/ihp-sg13g2/sg13g2_stdcell_typ_1p20V_25C.lib.gz"


def verilog_of(config):
    return to_verilog(make_component(config), config.slug)


@pytest.mark.parametrize(
    "config",
    [MacConfig(alphabets=(1,)), MacConfig(), MacConfig(arithmetic="exact"), MultiplierConfig(alphabets=(1, 3, 5, 7), weight_bits=8),
     DotConfig(lanes=4, alphabets=(1,)), counterpart(DotConfig(lanes=4), "bare")],
    ids=lambda config: config.slug,
)  # fmt: skip
def test_compact_table_gives_the_area_of_the_full_library(config, data_folder, tmp_path):
    verilog = verilog_of(config)
    compact, _ = best(verilog, config.slug, compact_library(tmp_path))
    full, _ = best(verilog, config.slug, user_library(str(data_folder / FULL)))
    assert compact.area_um2 == pytest.approx(full.area_um2, rel=0.05)
    assert compact.delay_ns == pytest.approx(full.delay_ns, rel=0.15)


def test_area_is_the_sum_of_the_cells(tmp_path):
    library = compact_library(tmp_path)
    verilog = "module two(input a, input b, output y); assign y = ~(a & b); endmodule"
    result = synthesize(verilog, "two", library, "area")
    assert result.cells == 1
    assert result.area_um2 == pytest.approx(compact_table()["cells"]["sg13g2_nand2_1"]["area_um2"])
    assert result.delay_ns > 0


def test_comparison_is_complete_honest_and_repeatable():
    config = DotConfig(lanes=4, alphabets=(1,))
    result = compare(config)
    assert result == compare(config)
    rows = result["rows"]
    assert set(rows) == {"asm", "exact", "bare"}
    assert rows["bare"]["area_um2"] < rows["asm"]["area_um2"] < rows["exact"]["area_um2"]
    assert rows["asm"]["area_ratio_to_exact"] == pytest.approx(
        rows["asm"]["area_um2"] / rows["exact"]["area_um2"], abs=1e-4
    )
    for row in rows.values():
        assert row["area_um2"] == min(tried["area_um2"] for tried in row["tried"])
        assert row["delay_ns"] > 0
    twins = [counterpart(config, arithmetic) for arithmetic in ("exact", "bare")]
    assert {twin.acc_width for twin in twins} == {config.acc_width}


def test_mapped_netlist_equals_the_rtl(tmp_path):
    """Yosys proves it, for a whole multiplier."""
    config = MultiplierConfig(alphabets=(1, 3), weight_bits=5, act_bits=4)
    library = compact_library(tmp_path)
    (tmp_path / "design.v").write_text(verilog_of(config))
    name, lib = config.slug, library.paths[0].name
    commands = [
        "read_verilog design.v", f"synth -flatten -top {name}", f"abc -liberty {lib}", "clean", "write_verilog -noattr mapped.v",
        "design -reset", f"read_liberty -ignore_miss_func {lib}", "read_verilog mapped.v", f"hierarchy -top {name}",
        "proc", "flatten", "opt_clean", f"rename {name} gate", "design -stash mapped",
        "read_verilog design.v", f"hierarchy -top {name}", "proc", "flatten", "opt_clean", f"rename {name} gold",
        "design -copy-from mapped -as gate gate", "miter -equiv -flatten gold gate miter", "hierarchy -top miter",
        "sat -verify -prove trigger 0 -show-inputs miter",
    ]  # fmt: skip
    assert "no model found: SUCCESS!" in run_yosys(commands, tmp_path)


def test_multiplications_are_counted():
    assert count_cells(verilog_of(MacConfig(arithmetic="exact")), MacConfig(arithmetic="exact").slug) == 1
    assert count_cells(verilog_of(MacConfig()), MacConfig().slug) == 0


BAD = {
    "missing": (None, "readable"),
    "not liberty": (b"hello world", "library group"),
    "empty": (b"", "library group"),
    "truncated": (b"library (l) { cell (a) { area : 1;", "ends inside"),
    "truncated gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip|complete"),
    "no flip-flop": (b"library (l) { cell (a) { area : 1; } }", "flip-flop"),
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
