"""Cell libraries: the compact table of the package, or the Liberty files of a user."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import ParameterError
from .liberty import read

COMPACT = "sg13g2"


@dataclass(frozen=True)
class Library:
    """Cells to map onto: a name for tables and the Liberty files for the tools."""

    name: str
    paths: tuple[Path, ...]


def user_library(liberty: str) -> Library:
    """The library of ``--liberty``: comma-separated .lib or .lib.gz files that together hold a flip-flop.

    Raises `ParameterError` where one is missing, unreadable, truncated or not Liberty, or none holds
    a flip-flop.
    """
    paths = tuple(Path(word.strip()) for word in liberty.split(","))
    groups = [read(path) for path in paths]
    if not any(True for group in groups for cell in group.find("cell") for _ in cell.find("ff")):
        raise ParameterError(f"liberty {liberty!r} must hold a flip-flop: no cell has an ff group")
    return Library("+".join(group.args[0] for group in groups), tuple(path.resolve() for path in paths))


def compact_library(folder: Path) -> Library:
    """The package's table, written as a Liberty file into ``folder``."""
    table = compact_table()
    path = folder / f"{COMPACT}.lib"
    path.write_text(to_liberty(table), encoding="utf-8")
    return Library(f"{table['library']} (compact)", (path,))


@cache
def compact_table() -> dict[str, Any]:
    """Cell figures of IHP SG13G2, typical, 1.20 V, 25 C; the source is named inside."""
    return json.loads(files(__package__).joinpath(f"{COMPACT}.json").read_text(encoding="utf-8"))


def to_liberty(table: dict[str, Any]) -> str:
    """A compact table as Liberty text: what mapping and delay calculation need, no more."""
    cells = "".join(_cell(name, cell) for name, cell in table["cells"].items())
    return (
        f"library ({table['library']}) {{\n"
        "  delay_model : table_lookup;\n  time_unit : \"1ns\";\n  voltage_unit : \"1V\";\n"
        "  current_unit : \"1uA\";\n  leakage_power_unit : \"1pW\";\n  capacitive_load_unit (1,pf);\n"
        f"  nom_voltage : {table['voltage_v']};\n  nom_temperature : {table['temperature_c']};\n"
        "  default_max_transition : 2.5074;\n"
        "  lu_table_template (delay) {\n    variable_1 : input_net_transition;\n"
        "    variable_2 : total_output_net_capacitance;\n"
        '    index_1 ("1,2,3,4");\n    index_2 ("1,2,3,4");\n  }\n'
        f"{cells}}}\n"
    )  # fmt: skip


def _cell(name: str, cell: dict[str, Any]) -> str:
    ff = cell.get("ff")
    text = f"  cell ({name}) {{\n    area : {cell['area_um2']};\n    cell_leakage_power : {cell['leakage_pw']};\n"
    if ff:
        attributes = "".join(f'      {key} : "{value}";\n' for key, value in ff.items() if key != "state")
        text += f"    ff ({','.join(ff['state'])}) {{\n{attributes}    }}\n"
    return text + "".join(_pin(pin, figures) for pin, figures in cell["pins"].items()) + "  }\n"


def _pin(name: str, pin: dict[str, Any]) -> str:
    text = f"    pin ({name}) {{\n      direction : {pin['direction']};\n"
    if pin["direction"] == "input":
        clock = "      clock : true;\n" if pin.get("clock") else ""
        return text + clock + f"      capacitance : {pin['capacitance_pf']};\n    }}\n"
    text += f'      function : "{pin["function"]}";\n      max_capacitance : {pin["max_capacitance_pf"]};\n'
    return text + "".join(_arc(arc) for arc in pin["arcs"]) + "    }\n"


def _arc(arc: dict[str, Any]) -> str:
    text = f'      timing () {{\n        related_pin : "{arc["pin"]}";\n        timing_type : {arc["type"]};\n'
    if arc["sense"]:
        text += f"        timing_sense : {arc['sense']};\n"
    for kind in ("cell_rise", "cell_fall", "rise_transition", "fall_transition"):
        rows = ", ".join(f'"{_row(row)}"' for row in arc[kind])
        index = f'index_1 ("{_row(arc["slew_ns"])}"); index_2 ("{_row(arc["load_pf"])}");'
        text += f"        {kind} (delay) {{ {index} values ({rows}); }}\n"
    return text + "      }\n"


def _row(values: list[float]) -> str:
    return ", ".join(map(str, values))
