"""Liberty cells, expressions and mapped netlists, by hand on small ones."""

from __future__ import annotations

import itertools

import pytest
from small_liberty import CELLS, HEAD, TEMPLATES, design, full_library, out, pin

from asm_hw.errors import ParameterError
from asm_hw.ppa.netlist.mapped_netlist import ONE, ZERO
from asm_hw.ppa.netlist.static_timing import analyse
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.liberty_cells import Table, load_cells

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
        ("u2", "A"),
        ("u3", "A"),
        ("u4", "D"),
    ]
    assert netlist.load_ff(cells)[net] == pytest.approx(6.0)
    assert netlist.load_ff(cells, "rise_capacitance_max_ff")[net] == pytest.approx(2 + 2.5 + 2)
    assert netlist.load_ff(cells, output_load_ff=5.0)[netlist.ports["y"][1][0]] == pytest.approx(5.0)


def test_an_unmapped_netlist_is_refused(liberty):
    with pytest.raises(ParameterError, match="netlist must be mapped onto library cells, but \\$_AND_ is left"):
        design("in:a out:y", "u1 $_AND_ A=a B=a Y=y")
    netlist, _ = design("in:a out:y", "u1 INV A=a Q=y")
    with pytest.raises(ParameterError, match="must have pin Q of cell INV"):
        analyse(netlist, load_cells(liberty(CELLS)))
