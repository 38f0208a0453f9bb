"""Energy: single gates by hand, glitches, and whole units whose sums are checked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_liberty import full_library

from asm_hw.errors import ParameterError
from asm_hw.ppa.activity import gate_netlist as gates
from asm_hw.ppa.activity import gate_simulation as activity
from asm_hw.ppa.activity.operand_streams import StreamOptions, nearest, operands
from asm_hw.ppa.activity.vcd_file import Waves
from asm_hw.ppa.baselines.area_comparison import build, candidates
from asm_hw.ppa.energy import energy_export as redo
from asm_hw.ppa.energy import unit_energy as energy
from asm_hw.ppa.energy.energy_accounting import Parts, account, leakage_states
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.synthesis import has_adder_cells
from asm_hw.ppa.technology.cell_library import Library, compact_library, user_library
from asm_hw.ppa.technology.compact_tables import TECHNOLOGIES
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog for delays")

VOLTAGE = 2.0


def constant(kind: str, value: float) -> str:
    return f'{kind} (scalar) {{ values ("{value}"); }}'


def arc(related: str, rise_ns: float, fall_ns: float, kind: str = "combinational") -> str:
    tables = {"cell_rise": rise_ns, "cell_fall": fall_ns, "rise_transition": 0.0, "fall_transition": 0.0}
    return (
        f'timing () {{ related_pin : "{related}"; timing_type : {kind}; timing_sense : non_unate;'
        + "".join(constant(name, value) for name, value in tables.items())
        + "}"
    )


def power(rise_fj: float, fall_fj: float, related: str = "", when: str = "", supply: str = "") -> str:
    """An internal_power group; the library's energies are in pJ."""
    words = {"related_pin": related, "when": when, "related_pg_pin": supply}
    conditions = "".join(f'{name} : "{value}"; ' for name, value in words.items() if value)
    energies = constant("rise_power", rise_fj / 1000) + constant("fall_power", fall_fj / 1000)
    return f"internal_power () {{ {conditions}{energies} }}"


def pin(name: str, ff: float, body: str = "") -> str:
    return f"pin ({name}) {{ direction : input; capacitance : {ff / 1000}; {body} }}"


def output(function: str, body: str, name: str = "Y") -> str:
    return f'pin ({name}) {{ direction : output; function : "{function}"; {body} }}'


NAND_RISE = """internal_power () { related_pin : "A";
  rise_power (energy) { values ("0.001, 0.002", "0.003, 0.004"); } fall_power (scalar) { values ("0.005"); } }"""

SETUP = (
    'timing () { related_pin : "CK"; timing_type : setup_rising;'
    f"{constant('rise_constraint', 0.01)} {constant('fall_constraint', 0.01)} }}"
)

LIBRARY = f"""library (tiny) {{
  time_unit : "1ns"; voltage_unit : "1V"; capacitive_load_unit (1, pf); leakage_power_unit : "1nW";
  nom_voltage : {VOLTAGE};
  power_lut_template (energy) {{ variable_1 : input_transition_time; variable_2 : total_output_net_capacitance;
    index_1 ("0, 0.2"); index_2 ("0, 0.010"); }}
  cell (INV) {{ area : 1; cell_leakage_power : 0; {pin("A", 4)} {output("!A", arc("A", 0.05, 0.08))} }}
  cell (FAST) {{ area : 1; cell_leakage_power : 0; {pin("A", 4)} {output("!A", arc("A", 0.03, 0.03))} }}
  cell (NAND) {{ area : 1; cell_leakage_power : 9;
    leakage_power () {{ when : "A&B"; value : 30; }} leakage_power () {{ when : "!A&B"; value : 10; }}
    {pin("A", 1, power(0.1, 0.2))} {pin("B", 1)}
    {output("!(A&B)", arc("A", 0.05, 0.05) + arc("B", 0.05, 0.05) + NAND_RISE + power(7, 8, "B"))} }}
  cell (XOR) {{ area : 1; cell_leakage_power : 0; {pin("A", 0)} {pin("B", 0)}
    {
    output(
        "A^B",
        arc("A", 0.05, 0.05)
        + arc("B", 0.02, 0.02)
        + power(3, 4, "A", "B")
        + power(5, 6, "A", "!B")
        + power(100, 100, "A")
        + power(20, 30, "B")
        + power(1000, 1000, "A", "B", "VSS"),
    )
} }}
  cell (DFF) {{ area : 1; cell_leakage_power : 0;
    ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; }}
    {pin("CK", 0, "clock : true;" + power(1, 2, when="D&Q") + power(3, 4))}
    {pin("D", 0, SETUP + power(5, 6, when="CK") + power(7, 8, when="!CK"))}
    {output("IQ", arc("CK", 0.1, 0.1, "rising_edge") + power(10, 12, "CK"), "Q")} }}
  cell (ICG) {{ area : 1; cell_leakage_power : 0; clock_gating_integrated_cell : "latch_posedge";
    leakage_power () {{ when : "CK&M"; value : 50; }} leakage_power () {{ when : "!CK"; value : 10; }}
    statetable ("CK E", "M") {{ table : "L L : - : L , L H : - : H , H - : - : N"; }}
    pin (M) {{ direction : internal; internal_node : "M"; }}
    {pin("CK", 0, "clock : true; clock_gate_clock_pin : true;")}
    {pin("E", 0, "clock_gate_enable_pin : true;" + SETUP)}
    pin (G) {{ direction : output; clock_gate_out_pin : true; state_function : "CK * M"; {arc("CK", 0.3, 0.3)} }} }}
}}
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.lib"
    path.write_text(LIBRARY)
    return user_library(str(path))


def netlist(inputs: dict[str, int], outputs: dict[str, int], cells: dict[str, tuple[str, dict[str, int]]]) -> Netlist:
    ways = [("input", inputs), ("output", outputs)]
    ports = {name: {"direction": way, "bits": [net]} for way, nets in ways for name, net in nets.items()}
    instances = {
        name: {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}
        for name, (kind, pins) in cells.items()
    }
    nets = {net for _, (_, pins) in cells.items() for net in pins.values()} | {*inputs.values(), *outputs.values()}
    names = {f"n{net}": {"bits": [net], "hide_name": 0} for net in nets}
    module = {"ports": ports, "cells": instances, "netnames": names}
    return Netlist.from_yosys_json(json.dumps({"modules": {"top": module}}), "top")


def waves(end_ns: float, **nets: tuple[int, list[float]]) -> Waves:
    """Waves of nets ``n<net>`` from their initial value and times of transition in ns."""
    toggles = {int(name[1:]): np.array([round(t * 1e6) for t in times], np.int64) for name, (_, times) in nets.items()}
    return Waves(0, round(end_ns * 1e6), {int(name[1:]): first for name, (first, _) in nets.items()}, toggles)


def measured(design: Netlist, library: Library, seen: Waves, state_times=(0.0,)) -> dict[str, float]:
    mapped = energy.analysed(design, library)
    parts = Parts(dict.fromkeys(design.instances, "heap"), dict.fromkeys(design.inputs, "activations"))
    times = np.array([round(t * 1e6) for t in state_times], np.int64)
    totals = account(mapped, seen, parts, times)
    return {kind: sum(value for (_, k), value in totals.items() if k == kind) for _, kind in totals}


def test_a_nand_equals_the_hand_calculation(tiny):
    """A moves five times with B high; the output drives 4 fF, 0.4 of the way along the table's loads."""
    cells = {"g": ("NAND", {"A": 2, "B": 3, "Y": 4}), "load": ("INV", {"A": 4, "Y": 5})}
    a = [1, 2, 3, 4, 5]
    seen = waves(10, n2=(0, a), n3=(1, []), n4=(1, [t + 0.05 for t in a]), n5=(0, [t + 0.1 for t in a]))
    found = measured(netlist({"a": 2, "b": 3}, {"y": 5}, cells), tiny, seen, state_times=[0.5, 1.5, 2.5, 3.5])
    assert found["switching"] == pytest.approx(5 * (1 + 4) * VOLTAGE**2 / 2)
    assert found["internal"] == pytest.approx(3 * 0.1 + 2 * 0.2 + 2 * (1 + 0.4 * (2 - 1)) + 3 * 5)
    assert found["leakage"] == pytest.approx((2 * 10 + 2 * 30) / 4 * 10 * 1e-3)


def test_an_xor_takes_the_energy_of_its_state_and_of_the_pin_that_moved(tiny):
    """A up with B low, B up, A down with B high, both at once: B's path is the one that takes 0.02 ns."""
    cells = {"g": ("XOR", {"A": 2, "B": 3, "Y": 4})}
    seen = waves(10, n2=(0, [1, 3, 4]), n3=(0, [2, 3.98]), n4=(0, [1.05, 2.02, 3.05, 4.0, 4.05]))
    found = measured(netlist({"a": 2, "b": 3}, {"y": 4}, cells), tiny, seen)
    assert found["internal"] == pytest.approx(5 + 30 + 3 + 30 + 5)


def test_a_flip_flop_tells_the_clock_levels_apart(tiny):
    """D rises while the clock is low, falls while it is high; the clock's edges see the old Q."""
    cells = {"g": ("DFF", {"CK": 2, "D": 3, "Q": 4})}
    seen = waves(10, n2=(0, [2, 4, 6, 8]), n3=(0, [1, 7]), n4=(0, [2.1]))
    found = measured(netlist({"clk": 2, "d": 3}, {"q": 4}, cells), tiny, seen)
    clock = 3 + 2 + 1 + 4  # D&Q holds from Q's rise to D's fall: for one fall and one rise
    assert found["internal"] == pytest.approx(clock + 7 + 6 + 10)


def test_leakage_by_state_leaves_internal_nodes_out(tiny):
    """The state of a latch is not on a pin: where the clock is high, the gate's one figure counts."""
    cells = load_cells(tiny, {"ICG", "NAND"})
    pins, leakages = leakage_states(cells["ICG"])
    assert (pins, leakages.tolist()) == (("CK",), [10, 0])
    pins, leakages = leakage_states(cells["NAND"])
    assert (pins, leakages.tolist()) == (("A", "B"), [9, 9, 10, 30])


@needs_icarus
def test_a_cell_without_power_tables_is_refused(unit, library, tmp_path):
    """It would count as free, whatever it does."""
    path = tmp_path / "cells.lib"
    text = library.paths[0].read_text()
    cell = re.search(r"  cell \(sg13g2_xor2_1\).*?(?=\n  }\n)", text, re.DOTALL)[0]
    path.write_text(text.replace(cell, re.sub(r"internal_power", "internal_note", cell)))
    with pytest.raises(ParameterError, match="power tables for cell sg13g2_xor2_1, which the netlist uses"):
        energy.measure(unit, user_library(str(path)), SHORT, 100.0)


def simulated(design: Netlist, library: Library, tool: str, folder, stimulus, start_cycle=0) -> Waves:
    mapped = energy.analysed(design, library)
    delays = mapped.timing.delays_ns if tool == activity.DELAYS else None
    text = gates.to_verilog(design, mapped.cells, mapped.wiring, delays)
    inputs = sorted(f"n{net}" for net in design.inputs if net != 2)
    text += gates.bench(inputs, "n2", 2000.0, len(stimulus))
    folder.mkdir()
    vcd = activity.simulate(text, stimulus, folder, tool)
    return vcd.waves(mapped.netlist.nets.keys() - {0, 1}, round((start_cycle + 1.5) * 2_000_000), 10**15)


def hazard(inverter: str) -> Netlist:
    """``a NAND not a``, always 1: a rising ``a`` shows for as long as the inverter takes."""
    cells = {"i": (inverter, {"A": 3, "Y": 4}), "g": ("NAND", {"A": 3, "B": 4, "Y": 5})}
    return netlist({"clk": 2, "a": 3}, {"y": 5}, cells)


@needs_icarus
def test_a_hazard_shows_its_glitch_and_a_pulse_that_is_too_short_does_not(tiny, tmp_path):
    stimulus = [0, 0, 1, 0, 1, 0]
    seen = simulated(hazard("INV"), tiny, activity.DELAYS, tmp_path / "slow", stimulus)
    assert (seen.count(3), seen.count(5)) == (4, 4)
    input_rises = seen.toggles[3][::2]
    assert (seen.toggles[5][::2] - input_rises).tolist() == [50_000, 50_000]
    assert (seen.toggles[5][1::2] - input_rises).tolist() == [130_000, 130_000], "inverter's fall, then the NAND's rise"
    assert (seen.toggles[4][1::2] - seen.toggles[3][1::2]).tolist() == [50_000, 50_000], "inverter's rise"
    short = simulated(hazard("FAST"), tiny, activity.DELAYS, tmp_path / "fast", stimulus)
    assert (short.count(4), short.count(5)) == (4, 0)


@needs_icarus
def test_a_gated_register_takes_what_was_there_before_the_edge(tiny, tmp_path):
    """However late its gate: the clock is ideal. Bit 0 of the stimulus is the data, bit 1 the enable."""
    cells = {
        "gate": ("ICG", {"CK": 2, "E": 4, "G": 5}),
        "first": ("DFF", {"CK": 2, "D": 3, "Q": 6}),
        "second": ("DFF", {"CK": 5, "D": 6, "Q": 7}),
    }
    design = netlist({"clk": 2, "d": 3, "en": 4}, {"q": 7}, cells)
    stimulus = [0b10, 0b10, 0b11, 0b10, 0b11, 0b00, 0b01, 0b10, 0b10, 0b10]
    first, second = [0], [0]
    for word in stimulus[:-1]:
        second.append(first[-1] if word & 2 else second[-1])
        first.append(word & 1)
    seen = simulated(design, tiny, activity.DELAYS, tmp_path / "gated", [*[0b10] * 3, *stimulus], start_cycle=3)
    ends = np.arange(4, 4 + len(stimulus)) * 2_000_000 + 1_999_999
    assert seen.value(6, ends).tolist() == first
    assert seen.value(7, ends).tolist() == second
    enabled = sum(word >> 1 for word in stimulus[:-1])
    assert seen.rises(5).sum() == enabled, "a gate that is closed is still"


@pytest.mark.full
def test_the_bound_without_delays_shows_no_glitch(tiny, tmp_path):
    seen = simulated(hazard("INV"), tiny, activity.BOUND, tmp_path / "bound", [0, 0, 1, 0, 1, 0])
    assert (seen.count(3), seen.count(4), seen.count(5)) == (4, 4, 0)


def test_contenders_see_the_same_operands():
    config = DotConfig(alphabets=(1,), columns=2)
    exact = config.baseline("exact")
    for options in (StreamOptions(), StreamOptions(stream="half_normal", weights="streaming", seed=3)):
        ours, theirs = (operands(contender, options, 120) for contender in (config, exact))
        assert (ours.x == theirs.x).all() and ours.x.any()
        assert np.corrcoef(ours.w.ravel(), theirs.w.ravel())[0, 1] > 0.9
        assert set(np.unique(ours.w)) <= {value for _, value in config.weight.table}
        assert (operands(config, options, 120).w == ours.w).all(), "the same seed, the same stream"


def test_weights_are_held_or_streaming():
    held = operands(DotConfig(), StreamOptions(hold=20), 60)
    assert np.flatnonzero(held.load).tolist() == [0, 20, 40]
    assert (np.diff(held.w, axis=0) != 0).any((1, 2)).nonzero()[0].tolist() == [19, 39]
    assert operands(DotConfig(), StreamOptions(weights="streaming"), 60).load.all()


def test_reals_take_the_nearest_level_and_ties_the_smaller():
    reals = np.array([-8.0, -6.0, -3.0, -0.4, 0.5, 3.1, 8.0])
    levels = np.array([-8, -4, -2, -1, 0, 1, 2, 4, 8])
    population = np.repeat([-8.0, -4.0, 0.0, 4.0, 8.0], 100)
    assert nearest(levels, reals, population).tolist() == [-8, -4, -2, 0, 0, 4, 8]


SMALL = MacConfig(act_bits=4, acc_bits=10)
SHORT = StreamOptions(cycles=60, hold=20)


def test_a_folder_in_the_way_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "energy.json").mkdir()
    with pytest.raises(ParameterError, match=r"must not hold a folder named energy\.json"):
        redo.write(tmp_path, {}, [], 100.0)
    assert [path.name for path in tmp_path.iterdir()] == ["energy.json"]


def mapped(config, library):
    """A unit as the energy flow takes it, mapped in the quickest way."""
    return energy.map_unit(candidates(config, library, thorough=False)[0])


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compact_library(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module", params=[SMALL, DotConfig(act_bits=4, lanes=4, columns=2)], ids=lambda c: c.unit)
def unit(request, library):
    return mapped(request.param, library)


@needs_icarus
@pytest.mark.parametrize("weights", ["held", "streaming"])
def test_parts_and_kinds_add_up_and_every_pin_is_measured(unit, library, weights, tmp_path):
    one = energy.measure(unit, library, replace(SHORT, weights=weights), 100.0)
    row = one.row
    total = row["energy_per_mac_fj"]
    assert sum(row["parts_per_mac_fj"].values()) == pytest.approx(total, abs=0.01)
    assert sum(row[f"{kind}_per_mac_fj"] for kind in ("switching", "internal", "leakage")) == pytest.approx(
        total, abs=0.01
    )
    assert 50 < row["moving_pins_percent"] < 100
    assert min(row["parts_per_mac_fj"].values()) >= 0 and row["parts_per_mac_fj"]["clock"] > 0
    if unit.config.unit == "dot":  # in a lone mac mapping merges the adder for three times x with what follows
        assert row["parts_per_mac_fj"]["bank"] > 0
    assert row["parts_per_mac_fj"]["other"] < 0.1 * total
    for line in redo.saif(one.netlist, one.waves).splitlines():
        if "(T0 " in line:
            zero, one_ = (int(line.split(f"({key} ")[1].split(")")[0]) for key in ("T0", "T1"))
            assert zero + one_ == one.waves.end - one.waves.start


@needs_icarus
def test_a_netlist_that_computes_wrongly_has_no_energy(unit, library):
    broken = unit.netlist_json.replace('"sg13g2_nand2_1"', '"sg13g2_nor2_1"', 1)
    assert broken != unit.netlist_json
    with pytest.raises(ParameterError, match="must compute what the golden model does"):
        energy.measure(replace(unit, netlist_json=broken), library, SHORT, 100.0)


@needs_icarus
@pytest.mark.full
def test_glitches_cost_and_the_bound_leaves_them_out(library, monkeypatch):
    unit = mapped(SMALL, library)
    with_glitches = energy.measure(unit, library, SHORT, 100.0).row
    monkeypatch.setattr(energy, "simulator", lambda: activity.BOUND)
    bound = energy.measure(unit, library, SHORT, 100.0).row
    assert bound["switching_per_mac_fj"] < with_glitches["switching_per_mac_fj"]
    assert bound["parts_per_mac_fj"]["clock"] == pytest.approx(with_glitches["parts_per_mac_fj"]["clock"], rel=0.01)


def test_a_clock_that_the_netlist_cannot_reach_is_refused(unit, library):
    with pytest.raises(ParameterError, match=r"clock_mhz must be at most \d+\.\d for the netlist of .*, not 5000"):
        energy.measure(unit, library, SHORT, 5000.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unit", "multiplier"], "unit must be mac or dot for this measurement of energy, not 'multiplier'"),
        (["--clock-mhz", "0"], "clock_mhz must be from 0.001 to 100000, not 0.0"),
        (["--stream", "noise"], "stream must be one of network, half_normal, uniform, not 'noise'"),
        (["--weights", "gone"], "weights must be one of held, streaming, not 'gone'"),
        (["--cycles", "1"], "cycles must be an integer from 2 to 100000, not 1"),
        (["--hold", "0"], "hold must be an integer from 1 to 100000, not 0"),
        (["--seed", "-1"], "seed must be an integer from 0 to 4294967295, not -1"),
        (["--seeds", "0"], "seeds must be an integer from 1 to 99, not 0"),
        (["--technology", "tin"], "technology must be one of sg13g2, sky130hd, asap7, not 'tin'"),
        (["--liberty", "none.lib"], "liberty 'none.lib' must be a readable .lib or .lib.gz file"),
        (
            ["--liberty", "none.lib", "--technology", "asap7"],
            "technology must be left out where liberty names the cells",
        ),
    ],
)
def test_bad_input_is_one_sentence(cli, tmp_path, arguments, message):
    result = cli("energy", *arguments, "--out", "redo")
    assert result.returncode == 2 and not (tmp_path / "redo").exists()
    assert message in result.stderr and result.stderr.count("\n") == 1


DOT = DotConfig(alphabets=(1,), weight_bits=5, act_bits=8, lanes=4)
DOCS = Path(__file__).resolve().parent.parent / "docs"
COMPARED = {
    "mac": SMALL,
    "mac exact": MacConfig(arithmetic="exact", weight_bits=8, act_bits=8),
    "dot {1}": DOT,
    "dot {1,3}": replace(DOT, alphabets=(1, 3)),
    "dot exact": replace(DOT.baseline("exact"), weight_form="booth"),
}


@needs_icarus
@pytest.mark.parametrize(
    ("technology", "name"),
    [
        pytest.param(technology, name, marks=[] if name == "mac" and technology != "asap7" else pytest.mark.full)
        for technology in TECHNOLOGIES
        for name in COMPARED
    ],
)
def test_the_compact_table_gives_the_energy_of_the_full_library(technology, name, data_folder, tmp_path):
    compact, full = compact_library(tmp_path, technology), full_library(data_folder, technology)
    if not full.paths:
        pytest.skip(f"needs the full library of {technology} in the data folder")
    recipe = "adder cells" if has_adder_cells(compact) else "balanced"
    unit = energy.map_unit(build([(COMPARED[name], recipe)], compact)[0])
    ours, theirs = (energy.measure(unit, cells, SHORT, 100.0).row for cells in (compact, full))
    assert ours["energy_per_mac_fj"] == pytest.approx(theirs["energy_per_mac_fj"], rel=0.1)
    assert ours["internal_per_mac_fj"] == pytest.approx(theirs["internal_per_mac_fj"], rel=0.1)
    assert ours["leakage_per_mac_fj"] == pytest.approx(theirs["leakage_per_mac_fj"], rel=0.1)


@needs_icarus
def test_the_command_compares_three_contenders_and_writes_what_it_takes_to_redo_it(cli, tmp_path):
    small = ["--act-bits", "4", "--acc-bits", "10", "--cycles", "60", "--hold", "20"]
    result = cli("energy", *small, "--seeds", "2", "--out", "redo", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert list(report["rows"]) == ["asm", "exact", "bare", "plain"]
    assert report["rows"]["plain"]["energy_ratio_to_exact"] > 1
    assert report["rows"]["exact"]["energy_ratio_to_exact"] == 1
    for row in report["rows"].values():
        first, second = row["by_seed_fj"]
        assert first == row["energy_per_mac_fj"] != second
        assert row["energy_ratio_to_bare"] == pytest.approx(
            (first + second) / sum(report["rows"]["bare"]["by_seed_fj"]), abs=0.0001
        )
    assert report["stream"]["hold"] == 20 and report["activity"] == activity.DELAYS
    names = [row["name"] for row in report["rows"].values()]
    files = {f"{name}.{kind}" for name in names for kind in ("mapped.v", "sdc", "saif")}
    assert {path.name for path in (tmp_path / "redo").iterdir()} == files | {"energy.json", "sg13g2.lib"}


@needs_icarus
@pytest.mark.skipif(not shutil.which("sta"), reason="sta must be installed")
def test_what_is_left_to_redo_gives_the_same_period_in_opensta(cli, tmp_path):
    """The commands of docs/energy.md."""
    small = ["--act-bits", "4", "--acc-bits", "10", "--cycles", "60", "--hold", "20"]
    rows = json.loads(cli("energy", *small, "--out", "redo", "--json").stdout)["rows"]
    commands = re.search(r"```\n(read_liberty.*?)```", (DOCS / "energy.md").read_text(), re.DOTALL)[1]
    for row in rows.values():
        (tmp_path / "redo" / "run.tcl").write_text(commands.replace("NAME", row["name"]))
        command = ["sta", "-no_init", "-no_splash", "-exit", "run.tcl"]
        log = subprocess.run(command, cwd=tmp_path / "redo", capture_output=True, text=True).stdout
        slack = float(re.search(r"(\S+) +slack", log)[1])
        assert 10 - slack == pytest.approx(row["min_period_ns"], abs=0.001)
