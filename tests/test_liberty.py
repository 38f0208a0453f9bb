"""Readers of Liberty: its syntax, cells that are told by function, and libraries that are refused."""

from __future__ import annotations

import gzip

import pytest

from asm_hw.errors import ParameterError
from asm_hw.ppa.technology.cell_library import Library, check_power, user_library
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.ppa.technology.liberty_file import parse
from asm_hw.ppa.technology.named_cells import Adder, ClockGate, Gate, find_special


def test_special_cells_are_told_by_function():
    text = """library (l) {
      cell (big) { area : 9; pin (a) { direction : input; } pin (y) { direction : output; function : "a"; } }
      cell (buffer) { area : 2; pin (a) { direction : input; } pin (y) { direction : output; function : "(a')'"; } }
      cell (inverter) { area : 1; pin (a) { direction : input; } pin (y) { direction : output; function : "!a"; } }
      cell (adder) { area : 5;
        pin (p) { direction : input; } pin (q) { direction : input; } pin (r) { direction : input; }
        pin (c) { direction : output; function : "!(p q | p r | q r)"; }
        pin (s) { direction : output; function : "p ^ q ^ r"; } }
      cell (no_adder) { area : 4;
        pin (p) { direction : input; } pin (q) { direction : input; } pin (r) { direction : input; }
        pin (c) { direction : output; function : "p q r"; }
        pin (s) { direction : output; function : "p ^ q ^ r"; } }
      cell (gate) { area : 3; clock_gating_integrated_cell : latch_posedge;
        pin (k) { direction : input; clock_gate_clock_pin : true; }
        pin (e) { direction : input; clock_gate_enable_pin : true; }
        pin (g) { direction : output; clock_gate_out_pin : true; } }
    }"""
    special = find_special(parse(text, "l").find("cell"))
    assert special.buffer == Gate("buffer", "y", "a")
    assert special.inverter == Gate("inverter", "y", "a")
    assert special.full_adder == Adder("adder", ("p", "q", "r"), "s", "c", False, True)
    assert special.clock_gate == ClockGate("gate", "k", "e", "g", None)
    assert (special.half_adder, special.tie_high, special.tie_low) == (None, None, None)


POWER = "internal_power () { rise_power (scalar) { values (1); } }"
CELLS = """library (l) {{
  cell (f) {{ ff (i, j) {{ next_state : d; clocked_on : c; }} pin (q) {{ function : i; {} }} }}
  cell (g) {{ pin (y) {{ function : a; {} }} }} }}"""


@pytest.mark.parametrize(("flop", "gate", "words"), [("", POWER, "flip-flop"), (POWER, "", "gate"), (POWER, POWER, "")])
def test_a_library_without_power_tables_is_refused(flop, gate, words, tmp_path):
    path = tmp_path / "cells.lib"
    path.write_text(CELLS.format(flop, gate))
    library = user_library(str(path))
    if words:
        with pytest.raises(ParameterError, match=f"power tables: no {words} has"):
            check_power(library)
    else:
        check_power(library)


def test_a_damaged_gzip_is_refused(tmp_path):
    path = tmp_path / "cells.lib.gz"
    path.write_bytes(gzip.compress(CELLS.format(POWER, POWER).encode())[:12] + bytes(range(200)))
    with pytest.raises(ParameterError, match="must be complete, but its gzip stream is damaged"):
        user_library(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cell (g) { area : ; }", "must have a number for area of cell g: it has none"),
        ("cell (g) { area : 1; ff (IQ) { next_state : d; } }", "must name two states of the ff in cell g, not 1"),
    ],
)
def test_a_cell_with_a_hole_is_refused(text, words, tmp_path):
    path = tmp_path / "cells.lib"
    units = 'time_unit : "1ns"; voltage_unit : "1V"; capacitive_load_unit (1, pf); leakage_power_unit : "1nW";'
    path.write_text(f"library (l) {{ {units} {text} }}")
    with pytest.raises(ParameterError, match=words):
        load_cells(Library("l", (path,)), None)


def test_liberty_syntax():
    """Line continuations, comments, quoted names, a missing semicolon, raw commas."""
    group = parse(
        'library ("l") { /* { */ unit (1,pf);\n a : 0.5\n b : "x; y" ;\n t (u) { values ("1, 2", \\\n "3, 4"); } }', "l"
    )
    assert (group.kind, group.args) == ("library", ["l"])
    assert group.attributes == {"unit": ["1", "pf"], "a": ["0.5"], "b": ["x; y"]}
    assert next(group.find("t")).attributes == {"values": ["1, 2", "3, 4"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "start with a library group"),
        ("library : 1;", "start with a library group"),
        ("library (l) { cell", "malformed"),
        ('library (l) { a : "never ends', "malformed"),
        ("library (l) { a (1; }", "malformed"),
        ("library (l) { ) }", "malformed"),
        ("library (l) { cell (a) { ", "ends inside a group"),
    ],
)
def test_bad_liberty_is_refused(text, words):
    with pytest.raises(ParameterError, match=words):
        parse(text, "l")


def test_a_malformed_figure_is_refused():
    with pytest.raises(ParameterError, match="area of cell a must be a number, not 'big'"):
        next(parse("library (l) { cell (a) { area : big; } }", "l").find("cell")).number("area")
