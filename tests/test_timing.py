"""Static timing, by hand on small netlists."""

from __future__ import annotations

import pytest
from small_liberty import CELLS, design

from asm_hw.errors import ParameterError
from asm_hw.ppa.netlist.static_timing import analyse
from asm_hw.ppa.technology.liberty_cells import load_cells

# Timing by hand


def test_two_inverters(liberty):
    netlist, _ = design("in:a out:y", "u1 INV A=a Y=n", "u2 INV A=n Y=y")
    report = analyse(netlist, load_cells(liberty(CELLS)), clock_ns=1.0, input_slew_ns=0.05, output_load_ff=5.0)
    n_rise = 0.010 + 0.1 * 0.05 + 0.002 * 2.5  # the upper end of the capacitance range
    n_fall = 0.020 + 0.2 * 0.05 + 0.001 * 1.9
    y_rise = 0.010 + 0.1 * (0.01 + 0.002 * 1.9) + 0.002 * 5
    y_fall = 0.020 + 0.2 * (0.02 + 0.003 * 2.5) + 0.001 * 5
    assert report.delays_ns == {
        ("u1", "A", "Y", "rise"): pytest.approx(n_rise),
        ("u1", "A", "Y", "fall"): pytest.approx(n_fall),
        ("u2", "A", "Y", "rise"): pytest.approx(y_rise),
        ("u2", "A", "Y", "fall"): pytest.approx(y_fall),
    }
    assert report.clock == ""
    assert report.min_period_ns == pytest.approx(max(n_fall + y_rise, n_rise + y_fall))
    assert report.slack_ns == pytest.approx(1 - report.min_period_ns)
    assert report.fmax_mhz == pytest.approx(1000 / report.min_period_ns)
    assert [(point.instance, point.pin, point.edge) for point in report.path] == [
        ("", "a", "rise"),
        ("u1", "A", "rise"),
        ("u1", "Y", "fall"),
        ("u2", "A", "fall"),
        ("u2", "Y", "rise"),
        ("", "y", "rise"),
    ]
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
