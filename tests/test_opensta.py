"""Timing and leakage of real units beside OpenSTA, where that is installed."""

from __future__ import annotations

import pytest
from small_liberty import design, full_library

from asm_hw.config import make_config
from asm_hw.gateware import make_component
from asm_hw.ppa.cells import Library
from asm_hw.ppa.model import load_cells
from asm_hw.ppa.netlist import Netlist
from asm_hw.ppa.opensta import opensta_version, run_opensta
from asm_hw.ppa.synthesis import RECIPES, mapping_commands
from asm_hw.ppa.timing import analyse
from asm_hw.ppa.yosys import run_yosys
from asm_hw.verilog import to_verilog

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
