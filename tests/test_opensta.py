"""Timing and leakage of real units beside OpenSTA, where that is installed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from small_liberty import design, full_library

from asm_hw.emission.verilog_text import to_verilog
from asm_hw.ppa.activity.vcd_file import Waves
from asm_hw.ppa.energy.energy_accounting import Parts, account, leakage_states
from asm_hw.ppa.energy.unit_energy import analysed
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.opensta import opensta_version, run_opensta, unpack
from asm_hw.ppa.netlist.static_timing import analyse
from asm_hw.ppa.netlist.synthesis import RECIPES, mapping_commands
from asm_hw.ppa.netlist.yosys import run_yosys
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.units.registry import make_component, make_config

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
    if library.name != "asap7":  # without cell_leakage_power OpenSTA 2.0 does not average states
        # energies take the leakage of each state; OpenSTA 2 takes a cell's one figure, which is the mean over its states,
        # OpenSTA 3 that mean
        by_state = sum(leakage_states(cells[instance.cell])[1].mean() for instance in netlist.instances.values())
        assert by_state == pytest.approx(reference.leakage_nw, rel=0.01)
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


ACTIVITIES = (1.0, 0.25, 0.1)
"""Moves of D in a cycle."""
PERIOD_NS = 10.0
FLIP_FLOP = "sky130_fd_sc_hd__dfxtp_1"


def opensta_watts(library: Library, folder: Path) -> list[float]:
    """Internal power of a flip-flop at each of `ACTIVITIES`, as ``report_power`` gives it."""
    cells = [f"f{i} {FLIP_FLOP} CLK=clk D=d{i} Q=q{i}" for i in range(len(ACTIVITIES))]
    ports = " ".join(f"in:d{i} out:q{i}" for i in range(len(ACTIVITIES)))
    (folder / "netlist.v").write_text(design(f"in:clk {ports}", *cells)[1])
    [cells_file] = unpack(library, folder)
    moves = [f"set_power_activity -input_ports d{i} -activity {a} -duty 0.5" for i, a in enumerate(ACTIVITIES)]
    reports = [f"report_power -instances [get_cells f{i}] -digits 8" for i in range(len(ACTIVITIES))]
    clock = f"create_clock -name clock -period {PERIOD_NS} [get_ports clk]"
    lines = [f"read_liberty {cells_file}", "read_verilog netlist.v", "link_design top", clock, *moves, *reports]
    (folder / "run.tcl").write_text("\n".join(lines) + "\n")
    command = ["sta", "-no_init", "-no_splash", "-exit", "run.tcl"]
    log = subprocess.run(command, cwd=folder, env=os.environ | {"HOME": str(folder)}, capture_output=True, text=True)
    watts = [float(figure) for figure in re.findall(r"^ *(\S+) .* f\d+$", log.stdout, re.MULTILINE)]
    assert len(watts) == len(ACTIVITIES), log.stdout + log.stderr
    return watts


def accounted_watts(library: Library, moves_a_cycle: float, cycles: int = 4000) -> float:
    """The same by `account`: D moves at any time of a cycle, Q follows at the next edge."""
    rng = np.random.default_rng(0)
    edges = np.arange(1, cycles + 1) * PERIOD_NS
    moving = rng.random(cycles) < moves_a_cycle
    times = {
        "clk": np.sort(np.concatenate([edges, edges + PERIOD_NS / 2])),
        "d": (edges + rng.uniform(0.5, PERIOD_NS - 0.5, cycles))[moving],
        "q": edges[1:][moving[:-1]] + 0.2,
    }
    netlist, _ = design("in:clk in:d out:q", f"f {FLIP_FLOP} CLK=clk D=d Q=q")
    nets = {name: netlist.ports[name][1][0] for name in times}
    toggles = {nets[name]: np.round(at * 1e6).astype(np.int64) for name, at in times.items()}
    seen = Waves(0, round((cycles + 1) * PERIOD_NS * 1e6), dict.fromkeys(toggles, 0), toggles)
    parts = Parts({"f": "accumulator"}, dict.fromkeys(netlist.inputs, "activations"))
    energies = account(analysed(netlist, library), seen, parts, np.array([seen.start]))
    return sum(fj for (_, kind), fj in energies.items() if kind == "internal") / cycles / PERIOD_NS * 1e-6


def test_the_power_of_a_flip_flop_agrees_with_opensta(data_folder, tmp_path):
    """OpenSTA 2.0 charges the rise's and the fall's energy for each move of a pin, twice what Liberty means.

    SKY130's alone: where a library has groups by state it adds the stateless one to them (IHP's). Later
    versions average the two edges.
    """
    if not (opensta_version() or "").startswith("2.0"):
        pytest.skip("needs OpenSTA 2.0: install opensta")
    library = full_library(data_folder, "sky130hd")
    reference = opensta_watts(library, tmp_path)
    found = [accounted_watts(library, activity) for activity in ACTIVITIES]
    assert found == pytest.approx([watts / 2 for watts in reference], rel=0.025)


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
