"""Liberty cells, mapped netlists and static timing: by hand on small ones, by OpenSTA on real ones."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from asm_hw.config import make_config
from asm_hw.errors import ParameterError
from asm_hw.gateware import make_component
from asm_hw.ppa.cells import Library
from asm_hw.ppa.expression import Expression
from asm_hw.ppa.model import Table, load_cells
from asm_hw.ppa.netlist import ONE, ZERO, Netlist
from asm_hw.ppa.opensta import opensta_version, run_opensta
from asm_hw.ppa.synthesis import RECIPES, mapping_commands
from asm_hw.ppa.timing import analyse
from asm_hw.ppa.yosys import run_yosys
from asm_hw.verilog import to_verilog

FULL = {
    "sg13g2": "ihp-sg13g2/sg13g2_stdcell_typ_1p20V_25C.lib.gz",
    "sky130hd": "sky130hd/sky130hd_tt.lib.gz",
    "asap7": "asap7/*.lib.gz",
}


def full_library(data_folder: Path, name: str) -> Library:
    return Library(name, tuple(sorted((data_folder / "liberty").glob(FULL[name]))))


def plane(kind: str, at_zero: float, per_slew: float, per_load: float, template: str = "t") -> str:
    """A table in ns and pF that is at_zero + per_slew * slew + per_load * load everywhere."""
    rows = ", ".join(
        f'"{at_zero + per_slew * slew}, {at_zero + per_slew * slew + per_load * 0.01}"' for slew in (0, 0.1)
    )
    return f"{kind} ({template}) {{ values ({rows}); }}"


def arc(related: str, rise: float, fall: float, sense: str = "negative_unate", more: str = "") -> str:
    tables = plane("cell_rise", rise, 0.1, 2) + plane("cell_fall", fall, 0.2, 1)
    slews = plane("rise_transition", 0.02, 0, 3) + plane("fall_transition", 0.01, 0, 2)
    return f'timing () {{ related_pin : "{related}"; timing_sense : {sense}; {more} {tables} {slews} }}'


def pin(name: str, text: str = "", capacitance: float = 0.002) -> str:
    return f"pin ({name}) {{ direction : input; capacitance : {capacitance}; {text} }}"


def out(name: str, function: str, *arcs: str) -> str:
    return f'pin ({name}) {{ direction : output; function : "{function}"; {" ".join(arcs)} }}'


SETUP = f"""timing () {{ related_pin : "CK"; timing_type : setup_rising;
  {plane("rise_constraint", 0.03, 0, 4, "s")} {plane("fall_constraint", 0.05, 0, 4, "s")} }}"""
RANGES = """rise_capacitance : 0.0021; rise_capacitance_range (0.0015, 0.0025); fall_capacitance : 0.0019;"""
CLOCKED = arc("CK", 0.1, 0.12, "non_unate", "timing_type : rising_edge;")
CELLS = {
    "INV": pin("A", RANGES) + out("Y", "!A", arc("A", 0.010, 0.020)),
    "BUF": pin("A") + out("Y", "A", arc("A", 0.030, 0.035, "positive_unate")),
    "XOR": pin("A") + pin("B") + out(
        "Y", "A ^ B",
        arc("A", 0.040, 0.041, "positive_unate", 'when : "!B";'), arc("A", 0.050, 0.030, "negative_unate", 'when : "B";'),
        arc("B", 0.020, 0.020, "non_unate"),
    ),
    "FA": pin("A") + pin("B") + pin("CI") + out(
        "CON", "!(A B + B CI + CI A)", *(arc(name, 0.02, 0.02, "negative_unate") for name in ("A", "B", "CI"))
    ) + out("SN", "(A ^ B ^ CI)'", arc("A", 0.03, 0.03, "non_unate"), arc("CON", 0.04, 0.04)),
    "DFF": 'ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }' + pin("CK", "clock : true;") + pin("D", SETUP)
    + out("Q", "IQ", CLOCKED),
    "ICG": 'clock_gating_integrated_cell : "latch_posedge"; statetable ("CK EN", "held") { table : "L L : - : L"; }'
    + pin("CK", "clock_gate_clock_pin : true;") + pin("EN", "clock_gate_enable_pin : true;" + SETUP)
    + 'pin (GCK) { direction : output; clock_gate_out_pin : true; state_function : "CK * held"; '
    + arc("CK", 0.3, 0.3, "positive_unate") + " }",
    "DLAT": 'latch (IQ, IQN) { enable : "G"; data_in : "D"; }' + pin("G") + pin("D") + out("Q", "IQ", arc("D", 0, 0)),
    "DFFN": 'ff (IQ, IQN) { clocked_on : "!CK"; next_state : "D"; }' + pin("CK") + pin("D", SETUP) + out("Q", "IQ"),
    "BARE": pin("A") + out("Y", "A"),
    "NOSETUP": 'ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }' + pin("CK") + pin("D") + out("Q", "IQ", CLOCKED),
}  # fmt: skip
TEMPLATES = """
  lu_table_template (t) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0, 0.1"); index_2 ("0, 0.01"); }
  lu_table_template (s) { variable_1 : related_pin_transition; variable_2 : constrained_pin_transition;
    index_1 ("0, 0.1"); index_2 ("0, 0.01"); }"""
HEAD = 'time_unit : "1ns"; voltage_unit : "1V"; capacitive_load_unit (1, pf); leakage_power_unit : "1nW";'


@pytest.fixture
def liberty(tmp_path):
    """Write cells, or a whole library body, as a library."""

    def write(cells: dict[str, str], head: str = HEAD + TEMPLATES) -> Library:
        path = tmp_path / "small.lib"
        path.write_text(
            f"library (small) {{ {head} " + "".join(f"cell ({n}) {{ {t} }}\n" for n, t in cells.items()) + "}"
        )
        return Library("small", (path,))

    return write


def design(ports: str, *instances: str) -> tuple[Netlist, str]:
    """A netlist from ``in:a out:y`` and ``u1 INV A=a Y=n``, read from Yosys's JSON, and its Verilog."""
    words = [port.split(":") for port in ports.split()]
    bits: dict[str, int | str] = {"0": "0", "1": "1"}
    cells, verilog = {}, []
    for name in [name for _, name in words]:
        bits[name] = len(bits)
    for name, cell, *pins in map(str.split, instances):
        nets = dict(text.split("=") for text in pins)
        for net in nets.values():
            bits.setdefault(net, len(bits))
        cells[name] = {"type": cell, "connections": {pin: [bits[net]] for pin, net in nets.items()}}
        wires = [f".{pin}({net if net not in '01' else f'''1'b{net}'''})" for pin, net in nets.items()]
        verilog.append(f"{cell} {name} ({', '.join(wires)});")
    names = {name: {"bits": [bit], "hide_name": 0} for name, bit in bits.items() if isinstance(bit, int)}
    io = {name: {"direction": f"{way}put", "bits": [bits[name]]} for way, name in words}
    text = json.dumps({"modules": {"top": {"ports": io, "cells": cells, "netnames": names}}})
    declared = ", ".join(f"{way}put {name}" for way, name in words)
    wires = "".join(f"wire {name};\n" for name in names if name not in io)
    return Netlist.from_yosys_json(text, "top"), f"module top({declared});\n{wires}" + "\n".join(
        verilog
    ) + "\nendmodule\n"


# Expressions


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("A", lambda a: a),
        ("!A & B | C", lambda a, b, c: (not a and b) or c),
        ("A + B C'", lambda a, b, c: a or (b and not c)),
        ("A * B ^ C", lambda a, b, c: a and (b != c)),
        ("(A+B)' (C D)'", lambda a, b, c, d: not (a or b) and not (c and d)),
        ("!(A ^ B)", lambda a, b: a == b),
        ("A & 1 | 0", lambda a: a),
        ("!A!B", lambda a, b: not a and not b),
    ],
)
def test_an_expression_has_its_meaning(text, meaning):
    expression = Expression(text)
    for bits in itertools.product((0, 1), repeat=len(expression.names)):
        values = dict(zip(expression.names, bits, strict=True))
        assert expression(values) == expression.function(*bits) == int(meaning(*bits))


def test_an_expression_in_verilog():
    assert Expression("!A B' + C ^ 1").verilog({"A": "n1"}) == "(((~n1) & (~B)) | (C ^ 1'b1))"


@pytest.mark.parametrize("text", ["", "A &", "(A", "A)", "A ? B", "'A"])
def test_a_malformed_expression_is_refused(text):
    with pytest.raises(ParameterError, match="liberty expression"):
        Expression(text)


# Cells


def test_a_table_is_bilinear_and_extrapolates():
    table = Table(((0.0, 1.0), (0.0, 10.0, 20.0)), ((1.0, 2.0, 4.0), (3.0, 6.0, 9.0)))
    assert table.at(1.0, 20.0) == 9.0
    assert table.at(0.5, 5.0) == pytest.approx((1 + 2 + 3 + 6) / 4)
    assert table.at(2.0, 0.0) == pytest.approx(5.0)
    assert table.at(0.0, 30.0) == pytest.approx(6.0)
    assert table.at(-1.0, 0.0) == pytest.approx(-1.0)
    assert Table(((0.0,), (0.0,)), ((7.0,),)).at(3.0, 4.0) == 7.0


def test_units_axes_and_supplies_are_those_of_the_library(liberty):
    head = """time_unit : "10ps"; voltage_unit : "100mV"; capacitive_load_unit (2, ff); leakage_power_unit : "1pW";
      power_lut_template (p) { variable_1 : total_output_net_capacitance; variable_2 : input_transition_time;
        index_1 ("1, 2"); index_2 ("10, 20, 30"); }"""
    supplies = "pg_pin (VDD) { pg_type : primary_power; } pg_pin (VSS) { pg_type : primary_ground; }"
    leakages = "".join(
        f'leakage_power () {{ value : {value}; when : "{when}"; related_pg_pin : {supply}; }}'
        for when, supply, value in (("A", "VDD", 400), ("A", "VSS", 90), ("!A", "VDD", 200))
    )
    energy = (
        'internal_power () { related_pin : "A"; related_pg_pin : VDD; power (p) { values ("1, 2, 3", "4, 5, 6"); } }'
    )
    library = liberty({"C": supplies + leakages + pin("A", capacitance=1.5) + out("Y", "A", energy)}, head)
    cell = load_cells(library)["C"]
    assert cell.leakages == (("A", pytest.approx(0.4)), ("!A", pytest.approx(0.2)))
    assert cell.leakage_nw == pytest.approx(0.3)
    assert cell.pins["A"].capacitance_ff == cell.pins["A"].fall_capacitance_max_ff == pytest.approx(3.0)
    power = cell.pins["Y"].powers[0]
    assert power.supply == "VDD"
    assert power.rise == power.fall
    # slew 20 x 10 ps, load 2 x 2 fF: 5 units of 2 fF x (0.1 V)^2
    assert power.rise.at(0.2, 4.0) == pytest.approx(5 * 0.02)


def test_energies_of_full_libraries_are_femtojoule(data_folder):
    """A small inverter's own energy per edge, with a load at the table's start: far below a full-swing pF."""
    names = {"sg13g2": "sg13g2_inv_1", "sky130hd": "sky130_fd_sc_hd__inv_1"}
    for technology, name in names.items():
        cell = load_cells(full_library(data_folder, technology), [name])[name]
        power = cell.outputs[0].powers[0]
        assert 0.1 < power.rise.at(0.05, 1.0) + power.fall.at(0.05, 1.0) < 20
        assert 1 < cell.inputs[0].capacitance_ff < 5


def test_only_the_wanted_cells_are_converted(liberty):
    library = liberty({"INV": CELLS["INV"], "BAD": "area : wide;"})
    assert list(load_cells(library, ["INV"])) == ["INV"]
    with pytest.raises(ParameterError, match="must have numbers where it has 'wide'"):
        load_cells(library)
    with pytest.raises(ParameterError, match="must have cell NAND, which the netlist uses"):
        load_cells(library, ["NAND"])


@pytest.mark.parametrize(
    ("cells", "head", "sentence"),
    [
        ({"INV": CELLS["INV"]}, HEAD.replace("1ns", "1 parsec"), "must have a time_unit in"),
        (
            {"INV": CELLS["INV"]},
            HEAD.replace("capacitive_load_unit (1, pf);", ""),
            "must have a capacitive_load_unit in",
        ),
        ({"INV": CELLS["INV"]}, HEAD, "must have 1 x 1 values in a cell_rise table, not 4"),
        ({"INV": CELLS["INV"]}, HEAD + TEMPLATES.replace("input_net_transition", "temperature"), "over slew and load"),
    ],
)
def test_a_broken_library_is_refused(liberty, cells, head, sentence):
    with pytest.raises(ParameterError, match=sentence):
        load_cells(liberty(cells, head))


# Netlists


def test_a_netlist_knows_its_nets(liberty):
    cells = load_cells(liberty(CELLS))
    netlist, _ = design("in:a out:y", "u1 INV A=a Y=n", "u2 XOR A=n B=1 Y=y", "u3 INV A=n", "u4 DFF CK=0 D=n Q=q")
    assert netlist.cell_names == {"INV", "XOR", "DFF"}
    net = netlist.instances["u1"].pins["Y"]
    assert netlist.nets[net] == "n"
    assert netlist.instances["u2"].pins["B"] == ONE
    assert netlist.instances["u4"].pins["CK"] == ZERO
    assert netlist.drivers(cells)[net][0].name == "u1"
    assert [(instance.name, pin.name) for instance, pin in netlist.loads(cells)[net]] == [
        ("u2", "A"), ("u3", "A"), ("u4", "D"),
    ]  # fmt: skip
    assert netlist.load_ff(cells)[net] == pytest.approx(6.0)
    assert netlist.load_ff(cells, "rise_capacitance_max_ff")[net] == pytest.approx(2 + 2.5 + 2)
    assert netlist.load_ff(cells, output_load_ff=5.0)[netlist.ports["y"][1][0]] == pytest.approx(5.0)


def test_an_unmapped_netlist_is_refused(liberty):
    with pytest.raises(ParameterError, match="netlist must be mapped onto library cells, but \\$_AND_ is left"):
        design("in:a out:y", "u1 $_AND_ A=a B=a Y=y")
    netlist, _ = design("in:a out:y", "u1 INV A=a Q=y")
    with pytest.raises(ParameterError, match="must have pin Q of cell INV"):
        analyse(netlist, load_cells(liberty(CELLS)))


# Timing by hand


def test_two_inverters(liberty):
    netlist, _ = design("in:a out:y", "u1 INV A=a Y=n", "u2 INV A=n Y=y")
    report = analyse(netlist, load_cells(liberty(CELLS)), clock_ns=1.0, input_slew_ns=0.05, output_load_ff=5.0)
    n_rise = 0.010 + 0.1 * 0.05 + 0.002 * 2.5  # the upper end of the capacitance range
    n_fall = 0.020 + 0.2 * 0.05 + 0.001 * 1.9
    y_rise = 0.010 + 0.1 * (0.01 + 0.002 * 1.9) + 0.002 * 5
    y_fall = 0.020 + 0.2 * (0.02 + 0.003 * 2.5) + 0.001 * 5
    assert report.delays_ns == {
        ("u1", "A", "Y", "rise"): pytest.approx(n_rise), ("u1", "A", "Y", "fall"): pytest.approx(n_fall),
        ("u2", "A", "Y", "rise"): pytest.approx(y_rise), ("u2", "A", "Y", "fall"): pytest.approx(y_fall),
    }  # fmt: skip
    assert report.clock == ""
    assert report.min_period_ns == pytest.approx(max(n_fall + y_rise, n_rise + y_fall))
    assert report.slack_ns == pytest.approx(1 - report.min_period_ns)
    assert report.fmax_mhz == pytest.approx(1000 / report.min_period_ns)
    assert [(point.instance, point.pin, point.edge) for point in report.path] == [
        ("", "a", "rise"), ("u1", "A", "rise"), ("u1", "Y", "fall"), ("u2", "A", "fall"), ("u2", "Y", "rise"),
        ("", "y", "rise"),
    ]  # fmt: skip
    assert report.path[2].arrival_ns == pytest.approx(n_fall)
    assert report.slews_ns[netlist.instances["u1"].pins["Y"]] == pytest.approx((0.02 + 0.003 * 2.5, 0.01 + 0.002 * 1.9))


def test_the_worst_of_conditional_arcs_and_of_slews_counts(liberty):
    netlist, _ = design("in:a in:b out:y", "u1 XOR A=a B=b Y=y")
    report = analyse(netlist, load_cells(liberty(CELLS)))
    assert report.delays_ns["u1", "A", "Y", "rise"] == pytest.approx(0.050)
    assert report.delays_ns["u1", "A", "Y", "fall"] == pytest.approx(0.041)
    assert report.min_period_ns == pytest.approx(0.050)
    assert report.path[0].edge == "fall"  # by the negative_unate arc


def test_registers_launch_and_capture(liberty):
    netlist, _ = design("in:clk in:d out:q", "a DFF CK=clk D=d Q=m", "u INV A=m Y=n", "b DFF CK=clk D=n Q=q")
    report = analyse(netlist, load_cells(liberty(CELLS)))
    # m falls at 0.12 + 0.001 * 1.9 with slew 0.01 + 0.002 * 1.9; n rises into 2 fF; setup of a rise
    n_rise = 0.12 + 0.0019 + 0.010 + 0.1 * 0.0138 + 0.002 * 2
    setup_rise = 0.03 + 4 * (0.02 + 0.003 * 2)
    n_fall = 0.10 + 0.005 + 0.020 + 0.2 * 0.0275 + 0.001 * 2
    setup_fall = 0.05 + 4 * (0.01 + 0.002 * 2)
    worst = max((n_rise + setup_rise, setup_rise), (n_fall + setup_fall, setup_fall))
    assert (report.min_period_ns, report.setup_ns) == pytest.approx(worst)
    assert report.clock == "clk"
    assert (report.path[0].instance, report.path[0].pin) == ("a", "CK")
    assert (report.path[-1].instance, report.path[-1].pin) == ("b", "D")


def test_the_clock_passes_gates_and_buffers_unchanged(liberty):
    cells = load_cells(liberty(CELLS))
    gated, _ = design("in:clk in:e in:d out:q", "g ICG CK=clk EN=e GCK=c1", "t BUF A=c1 Y=c2", "a DFF CK=c2 D=d Q=q")
    report = analyse(gated, cells)
    direct, _ = design("in:clk in:d out:q", "a DFF CK=clk D=d Q=q")
    assert report.min_period_ns == pytest.approx(analyse(direct, cells).min_period_ns)
    assert report.delays_ns["g", "CK", "GCK", "rise"] == report.delays_ns["t", "A", "Y", "fall"] == 0.0
    assert cells["ICG"].clock_gate.state == "held"
    late, _ = design("in:clk in:e in:d out:q", "u XOR A=e B=d Y=n", "g ICG CK=clk EN=n GCK=c1", "a DFF CK=c1 D=d Q=q")
    # the enable is checked: 0.050 through the XOR into 2 fF, then the setup of a rise
    late_report = analyse(late, cells)
    assert late_report.min_period_ns == pytest.approx(0.050 + 0.002 * 2 + 0.03 + 4 * (0.02 + 0.003 * 2))
    assert (late_report.path[-1].instance, late_report.path[-1].pin) == ("g", "EN")


def test_a_cell_with_an_output_that_follows_its_other_output(liberty):
    netlist, _ = design("in:a in:b in:c out:s", "f FA A=a B=b CI=c CON=n SN=s")
    report = analyse(netlist, load_cells(liberty(CELLS)))
    # slowest: CON rises 0.02 after an input, with slew 0.02; SN falls 0.04 + 0.2 * 0.02 after that
    assert report.min_period_ns == pytest.approx(0.02 + 0.04 + 0.2 * 0.02)
    assert [point.pin for point in report.path] == ["a", "A", "CON", "CON", "SN", "s"]


@pytest.mark.parametrize(
    ("ports", "instances", "sentence"),
    [
        ("in:a out:y", ("u1 XOR A=a B=y Y=y",), "netlist must have no combinational loop, but u1 is in one"),
        ("in:a out:y", ("u1 INV A=n Y=y", "u2 INV A=y Y=n"), "netlist must have no combinational loop, but u[12] is in one"),
        ("in:c in:d out:q", ("u1 DFFN CK=c D=d Q=q",), "netlist must be clocked by rising edges, but cell DFFN is not"),
        ("in:c in:d out:q", ("u1 DLAT G=c D=d Q=q",), "netlist must hold no latches for timing, but it uses cell DLAT"),
        ("in:c in:d out:q", ("u1 INV A=c Y=n", "u2 DFF CK=n D=d Q=q"), "through buffers and clock gates, not through INV"),
        ("in:c in:e out:q out:r", ("u1 DFF CK=c D=e Q=q", "u2 DFF CK=e D=c Q=r"), "netlist must have one clock, not c, e"),
        ("in:a out:y", ("u1 BARE A=a Y=y",), "liberty must have delay tables for pin Y of cell BARE: it has none"),
        ("in:c in:d out:q", ("u1 NOSETUP CK=c D=d Q=q",), "liberty must have setup tables for cell NOSETUP: it has none"),
    ],
)  # fmt: skip
def test_what_cannot_be_timed_is_refused(liberty, ports, instances, sentence):
    netlist, _ = design(ports, *instances)
    with pytest.raises(ParameterError, match=sentence):
        analyse(netlist, load_cells(liberty(CELLS), netlist.cell_names))


@pytest.mark.parametrize("clock_ns", [0, -1.0, float("nan")])
def test_an_impossible_clock_is_refused(liberty, clock_ns):
    netlist, _ = design("in:a out:y", "u1 INV A=a Y=y")
    with pytest.raises(ParameterError, match="clock_ns must be a positive number of nanoseconds"):
        analyse(netlist, load_cells(liberty(CELLS)), clock_ns=clock_ns)


# Timing by OpenSTA


def check_against_opensta(netlist: Netlist, verilog: str, library: Library, clock: str = "clk") -> None:
    reference = run_opensta(verilog, netlist.top, library, clock, 20.0)
    if reference is None:
        pytest.skip("needs OpenSTA: install opensta")
    cells = load_cells(library, netlist.cell_names)
    report = analyse(netlist, cells, clock_ns=20.0)
    assert report.clock == clock
    assert reference.min_period_ns > 0
    assert report.min_period_ns == pytest.approx(reference.min_period_ns, rel=0.01)
    assert report.slack_ns == pytest.approx(reference.slack_ns, rel=0.01)
    if library.name != "asap7":  # OpenSTA 2.0 does not average the states of cells without cell_leakage_power
        assert netlist.leakage_nw(cells) == pytest.approx(reference.leakage_nw, rel=0.001)
    assert (report.path[-1].cell, report.path[-1].edge) == (reference.path[-1].cell, reference.path[-1].edge)


MAC_ROWS = [
    ("sg13g2", "mac", "asm", "1"),
    ("sg13g2", "mac", "asm", "1,3"),
    ("sg13g2", "mac", "exact", "1"),
    ("sky130hd", "mac", "asm", "1,3"),
]
DOT_ROWS = [
    ("sg13g2", "dot", "asm", "1"),
    ("sg13g2", "dot", "asm", "1,3"),
    ("sg13g2", "dot", "exact", "1"),
    ("sky130hd", "dot", "asm", "1"),
]


@pytest.mark.parametrize(
    ("technology", "unit", "arithmetic", "alphabets"),
    [*MAC_ROWS, *(pytest.param(*row, marks=pytest.mark.full) for row in DOT_ROWS)],
)
def test_timing_and_leakage_agree_with_opensta(technology, unit, arithmetic, alphabets, data_folder, tmp_path):
    if opensta_version() is None:
        pytest.skip("needs OpenSTA: install opensta")
    library = full_library(data_folder, technology)
    config = make_config(unit, alphabets=alphabets, arithmetic=arithmetic)
    design_text = to_verilog(make_component(config), config.slug)
    commands = mapping_commands(design_text, config.slug, library, next(iter(RECIPES)), tmp_path)
    run_yosys([*commands, "write_json mapped.json", "write_verilog -noattr -noexpr mapped.v"], tmp_path)
    netlist = Netlist.from_yosys_json(tmp_path / "mapped.json", config.slug)
    check_against_opensta(netlist, (tmp_path / "mapped.v").read_text(), library)


SPECIAL = {
    "sg13g2": (
        "icg sg13g2_lgcp_1 CLK=clk GATE=n GCLK=g", "tree sg13g2_buf_2 A=g X=g2", "x sg13g2_xnor2_1 A=e B=m2 Y=n",
        "a sg13g2_dfrbpq_1 CLK=g2 D=d RESET_B=1 Q=m", "b sg13g2_dfrbp_1 CLK=clk D=m RESET_B=1 Q=m2 Q_N=o",
        "y sg13g2_xor2_1 A=m B=o X=k", "c sg13g2_dfrbpq_1 CLK=g D=k RESET_B=1 Q=s",
    ),
    "sky130hd": (
        "icg sky130_fd_sc_hd__dlclkp_1 CLK=clk GATE=n GCLK=g",
        "f1 sky130_fd_sc_hd__fa_1 A=d B=e CIN=m COUT=c1 SUM=s1", "f2 sky130_fd_sc_hd__fa_1 A=c1 B=s1 CIN=f COUT=c2 SUM=s2",
        "h sky130_fd_sc_hd__ha_1 A=c2 B=s2 COUT=u SUM=k", "x sky130_fd_sc_hd__xor2_1 A=e B=k X=n",
        "a sky130_fd_sc_hd__dfxtp_1 CLK=g D=k Q=m", "i sky130_fd_sc_hd__inv_1 A=m Y=s",
    ),
    "asap7": (
        "icg ICGx1_ASAP7_75t_R CLK=clk ENA=n SE=0 GCLK=g", "f1 FAx1_ASAP7_75t_R A=d B=e CI=m CON=c1 SN=s1",
        "f2 FAx1_ASAP7_75t_R A=c1 B=s1 CI=f CON=c2 SN=s2", "h HAxp5_ASAP7_75t_R A=c2 B=s2 CON=u SN=k",
        "x XOR2xp5_ASAP7_75t_R A=e B=k Y=n", "a DFFHQNx1_ASAP7_75t_R CLK=g D=k QN=m", "i INVx1_ASAP7_75t_R A=m Y=s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("technology", ["sg13g2", "sky130hd", pytest.param("asap7", marks=pytest.mark.full)])
def test_clock_gates_and_adder_cells_agree_with_opensta(technology, data_folder):
    netlist, verilog = design("in:clk in:d in:e in:f out:s", *SPECIAL[technology])
    check_against_opensta(netlist, verilog, full_library(data_folder, technology))


def test_opensta_says_what_it_refuses(data_folder):
    if opensta_version() is None:
        pytest.skip("needs OpenSTA: install opensta")
    _, verilog = design("in:a out:y", "u1 NO_SUCH_CELL A=a Y=y")
    with pytest.raises(RuntimeError, match="NO_SUCH_CELL"):
        run_opensta(verilog, "top", full_library(data_folder, "sg13g2"), "", 1.0)


def test_without_opensta_there_is_no_figure(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert opensta_version() is None
    assert run_opensta("", "top", Library("none", ()), "clk", 1.0) is None
