"""Netlist, activity and cells as power tools read them; by what OpenSTA 3 takes, the strictest of those known here.

OpenSTA 3 (https://github.com/parallaxsw/OpenSTA, ``power/SaifReader.cc`` and ``power/Power.cc``) reads the activity of
pins of instances alone, looks each instance up by its name in the netlist, and takes no backslashes in names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from asm_hw.ppa.activity.gate_netlist import Wiring
from asm_hw.ppa.activity.vcd_file import Waves
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.opensta import without_wire_load
from asm_hw.ppa.technology.compact_tables import compact_table, to_liberty


def plain_names(verilog: str) -> tuple[str, dict[str, str]]:
    """A netlist whose names are letters, digits and underscores, and the new name of each that was escaped.

    Every other character becomes an underscore; underscores are added where a name is taken or a word of Verilog.
    """
    taken = set(re.findall(r"\w+", re.sub(r"\\\S+", "", verilog)))
    new: dict[str, str] = {}
    for name in dict.fromkeys(re.findall(r"\\(\S+)", verilog)):
        plain = re.sub(r"^(?=\d)", "_", re.sub(r"\W", "_", name))
        # An escaped name that is plain already is a word of Verilog.
        while plain in taken or plain == name:
            plain += "_"
        taken.add(plain)
        new[name] = plain
    return re.sub(r"\\(\S+)", lambda found: new[found[1]], verilog), new


def saif(top: str, wiring: Wiring, waves: Waves, names: dict[str, str]) -> str:
    """Switching activity in SAIF 2.0 (IEEE 1801): time at 0 and 1 (fs) and transitions of each pin of each instance.

    ``names``: the new names of `plain_names`.
    """
    instances = "".join(
        f"    (INSTANCE {names.get(name, name)}\n      (NET\n"
        + "".join(f"        ({pin} {_durations(waves, net)})\n" for pin, net in pins.items())
        + "      )\n    )\n"
        for name, pins in wiring.pins.items()
    )
    return (
        '(SAIFILE\n  (SAIFVERSION "2.0")\n  (DIRECTION "backward")\n  (DIVIDER /)\n  (TIMESCALE 1 fs)\n'
        f"  (DURATION {waves.end - waves.start})\n  (INSTANCE {top}\n{instances}  )\n)\n"
    )


def _durations(waves: Waves, net: int) -> str:
    constant = net < 2  # it is in no dump
    initial, toggles = (net, []) if constant else (waves.initial[net], waves.toggles[net].tolist())
    spans = [later - earlier for earlier, later in pairwise([waves.start, *toggles, waves.end])]
    # By turns at the initial value and at the other one.
    first, second = sum(spans[::2]), sum(spans[1::2])
    low, high = (second, first) if initial else (first, second)
    return f"(T0 {low}) (T1 {high}) (TX 0) (TC {len(toggles)})"


def liberty(technology: str) -> str:
    """The package's cells for tools: with operating conditions, without a default wire load."""
    return _text(compact_table(technology))


def power_liberty(technology: str) -> str:
    """The same for power: loads and internal energies as OpenSTA has to take them to mean what the figures mean.

    OpenSTA charges a net at the upper end of its pins' capacitance ranges: pins have the one figure that energies take.
    It adds a group of internal power without ``when`` to those with one: such groups say when they hold.
    """
    table = compact_table(technology)
    cells = {name: cell | {"pins": _one_capacitance(_stated(cell["pins"]))} for name, cell in table["cells"].items()}
    return _text(table | {"cells": cells})


def _text(table: dict[str, Any]) -> str:
    """Liberty text; the default operating conditions, not ``nom_voltage``, are what OpenSTA's switching is of."""
    conditions = (
        "  operating_conditions (typical) {\n    process : 1;\n"
        f"    voltage : {table['voltage_v']};\n    temperature : {table['temperature_c']};\n  }}\n"
        "  default_operating_conditions : typical;\n"
    )
    text = without_wire_load(to_liberty(table).encode()).decode()
    return text.replace("  nom_process", conditions + "  nom_process", 1)


def _one_capacitance(pins: dict[str, Any]) -> dict[str, Any]:
    """Pins whose capacitance is the same for both edges and has no range."""
    return {
        name: {key: value for key, value in pin.items() if key != "capacitance_max_ff"}
        | ({"capacitance_ff": [pin["capacitance_ff"][0]] * 3} if "capacitance_ff" in pin else {})
        for name, pin in pins.items()
    }


def _stated(pins: dict[str, Any]) -> dict[str, Any]:
    """Pins whose groups of internal power all have a condition where one of them, of the same related pin, has."""
    return {
        name: pin | {"powers": [_with_condition(power, pin["powers"]) for power in pin["powers"]]}
        if "powers" in pin
        else pin
        for name, pin in pins.items()
    }


def _with_condition(power: dict[str, Any], powers: list[dict[str, Any]]) -> dict[str, Any]:
    others = [f"({other['when']})" for other in powers if "when" in other and other.get("pin") == power.get("pin")]
    return power if "when" in power or not others else {"when": f"!({' + '.join(others)})"} | power


def wire_loads(netlist: Netlist, names: Mapping[str, str]) -> str:
    """SDC that loads nets with their wires, fF: ``set_load``, which OpenSTA adds to the pins; empty without wires.

    Of a SPEF file OpenSTA 2.0.17 makes other delays than of the same load, by some percent.
    """
    loads = sorted((netlist.nets[net], capacitance) for net, capacitance in netlist.wires_ff.items())
    return "".join(f"set_load {capacitance:.5f} [get_nets {{{_of_net(name, names)}}}]\n" for name, capacitance in loads)


def _of_net(name: str, names: Mapping[str, str]) -> str:
    """The name of a net in the Verilog: of a bit of a wire, that wire's."""
    whole, bracket, bit = name.rpartition("[")
    if name in names or not bracket:
        return names.get(name, name)
    return names.get(whole, whole) + bracket + bit
