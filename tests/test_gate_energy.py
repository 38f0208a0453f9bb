"""Energy of single gates, by hand, and glitches in simulation."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from tiny_gates import VOLTAGE, netlist, tiny_library, waves

from asm_hw.ppa.activity import gate_netlist as gates
from asm_hw.ppa.activity import gate_simulation as activity
from asm_hw.ppa.activity.vcd_file import Waves
from asm_hw.ppa.energy.energy_accounting import Parts, account, leakage_states
from asm_hw.ppa.energy.stream_run import analysed
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_cells import load_cells

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog for delays")


@pytest.fixture
def tiny(tmp_path):
    return tiny_library(tmp_path)


def measured(design: Netlist, library: Library, seen: Waves, state_times=(0.0,)) -> dict[str, float]:
    mapped = analysed(design, library)
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


def simulated(design: Netlist, library: Library, tool: str, folder, stimulus, start_cycle=0) -> Waves:
    mapped = analysed(design, library)
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
