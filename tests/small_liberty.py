"""Small libraries and netlists by hand, whose timing can be worked out on paper."""

from __future__ import annotations

import json
from pathlib import Path

from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_library import Library

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


def write_library(path: Path, cells: dict[str, str], head: str = HEAD + TEMPLATES) -> Library:
    """Write cells, or a whole library body, as the library ``small``."""
    path.write_text(f"library (small) {{ {head} " + "".join(f"cell ({n}) {{ {t} }}\n" for n, t in cells.items()) + "}")
    return Library("small", (path,))


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
