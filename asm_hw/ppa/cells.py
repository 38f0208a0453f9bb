"""Cell libraries: the compact table of the package, or the Liberty files of a user."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import ParameterError
from .liberty import Group, is_gzip, read

COMPACT = "sg13g2"


@dataclass(frozen=True)
class Library:
    """Cells to map onto: a name for tables and the Liberty files for the tools."""

    name: str
    paths: tuple[Path, ...]

    def link_into(self, folder: Path) -> list[str]:
        """Link the files into ``folder`` under names of its own and return them.

        Paths with spaces or equal file names then reach the tools, which tell a gzip file by ``.gz``.
        """
        names = []
        for index, path in enumerate(self.paths):
            names.append(f"library_{index}.lib" + ".gz" * is_gzip(path))
            (folder / names[-1]).symlink_to(path.resolve())
        return names


def user_library(liberty: str) -> Library:
    """The library of ``--liberty``: comma-separated .lib or .lib.gz files that together hold a flip-flop.

    Raises `ParameterError` where one is missing, unreadable, truncated or not Liberty, or none holds
    a flip-flop or a gate, or two hold the same cell.
    """
    words = [word.strip() for word in liberty.split(",")]
    if not all(words):
        raise ParameterError(f"liberty {liberty!r} must be comma-separated .lib or .lib.gz files: one path is empty")
    paths = tuple(map(Path, words))
    groups = [read(path) for path in paths]
    _check_mappable(liberty, [cell for group in groups for cell in group.find("cell")])
    return Library("+".join(group.args[0] for group in groups), tuple(path.resolve() for path in paths))


def _check_mappable(liberty: str, cells: list[Group]) -> None:
    names = Counter(cell.args[0] for cell in cells if cell.args)
    if names and names.most_common(1)[0][1] > 1:
        raise ParameterError(f"liberty {liberty!r} must name each cell once, not {names.most_common(1)[0][0]} again")
    gates = [cell for cell in cells if not any(cell.find("ff"))]
    if len(gates) == len(cells):
        raise ParameterError(f"liberty {liberty!r} must hold a flip-flop: no cell has an ff group")
    if not any(pin.get("function") for cell in gates for pin in cell.find("pin")):
        raise ParameterError(f"liberty {liberty!r} must hold gates: no other cell has a pin with a function")


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
    arcs = (arc for cell in table["cells"].values() for pin in cell["pins"].values() for arc in pin.get("arcs", ()))
    first = next(arcs)  # ABC wants the template as long as the tables; the values of its indices do not count
    slews, loads = (_row(list(range(1, len(first[axis]) + 1))) for axis in ("slew_ns", "load_pf"))
    cells = "".join(_cell(name, cell) for name, cell in table["cells"].items())
    return (
        f"library ({table['library']}) {{\n"
        "  delay_model : table_lookup;\n  time_unit : \"1ns\";\n  voltage_unit : \"1V\";\n"
        "  current_unit : \"1uA\";\n  leakage_power_unit : \"1pW\";\n  capacitive_load_unit (1,pf);\n"
        f"  nom_voltage : {table['voltage_v']};\n  nom_temperature : {table['temperature_c']};\n"
        f"  default_max_transition : {table['max_transition_ns']};\n"
        "  lu_table_template (delay) {\n    variable_1 : input_net_transition;\n"
        "    variable_2 : total_output_net_capacitance;\n"
        f'    index_1 ("{slews}");\n    index_2 ("{loads}");\n  }}\n'
        f"{_wire_loads(table['wire_loads'])}{cells}}}\n"
    )  # fmt: skip


def _wire_loads(loads: dict[str, Any]) -> str:
    text = ""
    for name, model in loads["models"].items():
        lengths = "".join(f"    fanout_length ({_row(pair)});\n" for pair in model["fanout_length"])
        figures = f"    capacitance : {model['capacitance_pf']};\n    slope : {model['slope']};\n"
        text += f'  wire_load ("{name}") {{\n{figures}{lengths}  }}\n'
    for name, rows in loads["by_area_um2"].items():
        areas = "".join(f"    wire_load_from_area ({_row(row)});\n" for row in rows)
        text += f'  wire_load_selection ("{name}") {{\n{areas}  }}\n  default_wire_load_selection : "{name}";\n'
    return text + f'  default_wire_load : "{loads["default"]}";\n'


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
        names = ("capacitance", "rise_capacitance", "fall_capacitance")
        loads = "".join(f"      {name} : {pin[f'{name}_pf']};\n" for name in names)
        return f"{text}{clock}{loads}    }}\n"
    text += f'      function : "{pin["function"]}";\n      max_capacitance : {pin["max_capacitance_pf"]};\n'
    return text + "".join(_arc(arc) for arc in pin["arcs"]) + "    }\n"


def _arc(arc: dict[str, Any]) -> str:
    text = f'      timing () {{\n        related_pin : "{arc["pin"]}";\n        timing_type : {arc["type"]};\n'
    if arc["sense"]:
        text += f"        timing_sense : {arc['sense']};\n"
    for kind in ("cell_rise", "cell_fall", "rise_transition", "fall_transition"):
        rows = ", ".join(f'"{_row(row)}"' for row in arc[f"{kind}_ns"])
        index = f'index_1 ("{_row(arc["slew_ns"])}"); index_2 ("{_row(arc["load_pf"])}");'
        text += f"        {kind} (delay) {{ {index} values ({rows}); }}\n"
    return text + "      }\n"


def _row(values: list[Any]) -> str:
    return ", ".join(map(str, values))
