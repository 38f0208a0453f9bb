"""A Liberty library of a few gates with figures that are easy to add up, and netlists of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from asm_hw.ppa.activity.vcd_file import Waves
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_library import Library, user_library

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


def tiny_library(folder: Path) -> Library:
    """The library, in a file in ``folder``."""
    path = folder / "tiny.lib"
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
