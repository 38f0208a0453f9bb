"""The package's tables of cell figures, written back as Liberty text for Yosys, ABC and our own readers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from asm_hw.errors import check_choice

TECHNOLOGIES = ("sg13g2", "sky130hd", "asap7")
"""Tables by name: IHP SG13G2 (130 nm, 1.20 V), SKY130 HD (130 nm, 1.80 V), ASAP7 RVT (7 nm, predictive, 0.70 V).

All typical, 25 C. Areas are um2 as each library gives them; those of ASAP7 are of a kit that nobody makes.
A new one: docs/area-and-energy.md, "A new technology".
"""

_GATE_PINS = {"enable": "clock_gate_enable_pin", "clock": "clock_gate_clock_pin", "out": "clock_gate_out_pin"}
_GATE_PINS["test"] = "clock_gate_test_pin"


@cache
def compact_table(technology: str = TECHNOLOGIES[0]) -> dict[str, Any]:
    """Cell figures of a technology in ps, fF, fJ and pW; source, licence and hashes are named inside.

    Raises `ParameterError` if there is no such technology.
    """
    check_choice("technology", technology, TECHNOLOGIES)
    return json.loads(files(__package__).joinpath(f"{technology}.json").read_text(encoding="utf-8"))


def to_liberty(table: dict[str, Any]) -> str:
    """A compact table as Liberty text: what mapping, timing and energy need, no more.

    The unit of internal energies, by Liberty's rule capacitance times voltage squared, is the fJ.
    """
    thresholds = "".join(
        f"  {name}_threshold_pct_{edge} : {value};\n"
        for name, value in table["thresholds_percent"].items()
        for edge in ("rise", "fall")
    )
    cells = "".join(_cell(name, cell) for name, cell in table["cells"].items())
    return (
        f"library ({table['technology']}_compact) {{\n"
        '  delay_model : table_lookup;\n  time_unit : "1ps";\n  voltage_unit : "1V";\n'
        '  current_unit : "1uA";\n  leakage_power_unit : "1pW";\n  capacitive_load_unit (1,ff);\n'
        f"  nom_process : 1;\n  nom_voltage : {table['voltage_v']};\n  nom_temperature : {table['temperature_c']};\n"
        f"  default_max_transition : {table['max_transition_ps']};\n{thresholds}"
        f"{_templates(table)}{_wire_loads(table['wire_loads'])}{cells}}}\n"
    )


def _templates(table: dict[str, Any]) -> str:
    slews, constraints = table["slews_ps"], table["constraint_slews_ps"]
    loads = range(1, 4)  # ABC wants the template as long as the tables; the values of its loads do not count
    slew, load = "input_net_transition", "total_output_net_capacitance"
    templates = {
        "lu_table_template (delay)": {slew: slews, load: loads},
        "lu_table_template (constraint)": {
            "related_pin_transition": constraints,
            "constrained_pin_transition": constraints,
        },
        "power_lut_template (energy)": {"input_transition_time": slews, load: loads},
        "power_lut_template (input_energy)": {"input_transition_time": slews},
    }
    text = ""
    for template, axes in templates.items():
        lines = [f"variable_{place} : {variable};" for place, variable in enumerate(axes, 1)]
        lines += [f'index_{place} ("{_row(points)}");' for place, points in enumerate(axes.values(), 1)]
        text += f"  {template} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"
    return text


def _wire_loads(loads: dict[str, Any]) -> str:
    """Estimates of wires by fanout and area: ABC's delays depend on them, our own timing and energy have no wires."""
    text = ""
    for name, model in loads["models"].items():
        lengths = "".join(f"    fanout_length ({_row(pair)});\n" for pair in model["fanout_length"])
        figures = f"    capacitance : {model['capacitance_ff']};\n    slope : {model['slope']};\n"
        text += f'  wire_load ("{name}") {{\n{figures}{lengths}  }}\n'
    for name, rows in loads["by_area_um2"].items():
        areas = "".join(f"    wire_load_from_area ({_row(row)});\n" for row in rows)
        text += f'  wire_load_selection ("{name}") {{\n{areas}  }}\n  default_wire_load_selection : "{name}";\n'
    return text + (f'  default_wire_load : "{loads["default"]}";\n' if loads["default"] else "")


def _cell(name: str, cell: dict[str, Any]) -> str:
    text = f"  cell ({name}) {{\n    area : {cell['area_um2']};\n    cell_leakage_power : {cell['leakage_pw']};\n"
    for when, value in cell["leakages_pw"].items():
        text += f'    leakage_power () {{ when : "{when}"; value : {value}; }}\n'
    if "ff" in cell:
        attributes = "".join(f' {key} : "{value}";' for key, value in cell["ff"].items() if key != "state")
        text += f"    ff ({','.join(cell['ff']['state'])}) {{{attributes} }}\n"
    if "clock_gate" in cell:
        nodes = ", ".join(f'"{node}"' for node in cell["statetable"]["nodes"])
        text += f"    clock_gating_integrated_cell : {cell['clock_gate']};\n"
        text += f'    statetable ({nodes}) {{ table : "{cell["statetable"]["table"]}"; }}\n'
    return text + "".join(_pin(pin, figures) for pin, figures in cell["pins"].items()) + "  }\n"


def _pin(name: str, pin: dict[str, Any]) -> str:
    text = f"    pin ({name}) {{\n"
    for key in ("direction", "clock", "function", "state_function", "internal_node"):
        if key in pin:
            text += f'      {key} : "{pin[key]}";\n'
    if "gate" in pin:
        text += f"      {_GATE_PINS[pin['gate']]} : true;\n"
    if "capacitance_ff" in pin:
        both, rise, fall = pin["capacitance_ff"]
        text += f"      capacitance : {both};\n      rise_capacitance : {rise};\n      fall_capacitance : {fall};\n"
        # No ranges where the library has none.
        for edge, low, high in zip(("rise", "fall"), (rise, fall), pin.get("capacitance_max_ff", ()), strict=False):
            text += f"      {edge}_capacitance_range ({low}, {high});\n"
    if "max_capacitance_ff" in pin:
        text += f"      max_capacitance : {pin['max_capacitance_ff']};\n"
    loads = pin.get("loads_ff")
    text += "".join(_timing(arc, loads) for arc in pin.get("arcs", ()))
    return text + "".join(_power(power, loads) for power in pin.get("powers", ())) + "    }\n"


def _timing(arc: dict[str, Any], loads: list[float] | None) -> str:
    text = f'      timing () {{\n        related_pin : "{arc["pin"]}";\n'
    # The table leaves out the type that most arcs have.
    text += f"        timing_type : {arc.get('type', 'combinational')};\n"
    if "sense" in arc:
        text += f"        timing_sense : {arc['sense']};\n"
    return text + _tables(arc, "_ps", loads) + "      }\n"


def _power(power: dict[str, Any], loads: list[float] | None) -> str:
    text = "      internal_power () {\n"
    for key, attribute in (("pin", "related_pin"), ("when", "when")):
        if key in power:
            text += f'        {attribute} : "{power[key]}";\n'
    return text + _tables(power, "_fj", loads) + "      }\n"


def _tables(group: dict[str, Any], unit: str, loads: list[float] | None) -> str:
    """The tables of a group: scalars, rows by slew, or rows by slew of columns by load or data slew."""
    text = ""
    for key, values in group.items():
        if not key.endswith(unit):
            continue
        kind = key.removesuffix(unit) + ("_power" if unit == "_fj" else "")
        if not isinstance(values, list):
            text += f'        {kind} (scalar) {{ values ("{values}"); }}\n'
        elif not isinstance(values[0], list):
            text += f'        {kind} (input_energy) {{ values ("{_row(values)}"); }}\n'
        else:
            template = "energy" if unit == "_fj" else "constraint" if kind.endswith("constraint") else "delay"
            # Loads differ from pin to pin, so each table states them; both axes of a constraint are in its template.
            index = "" if template == "constraint" else f'index_2 ("{_row(loads or ())}"); '
            rows = ", ".join(f'"{_row(row)}"' for row in values)
            text += f"        {kind} ({template}) {{ {index}values ({rows}); }}\n"
    return text


def _row(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))
