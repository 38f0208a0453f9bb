"""Thins a full Liberty library to the compact cell table of the package.

    python benchmarks/extract_cells.py TECHNOLOGY FOLDER > asm_hw/ppa/TECHNOLOGY.json

FOLDER holds the library's files and the SOURCE.txt that says where they come from. The result is a
table of figures, not a copy: the cells that mapping for area uses, at 3 x 3 of the library's slews and
loads, in one set of units. Conditional figures are reduced as the docstrings below say.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asm_hw.ppa.technology.liberty_file import Group, read
from asm_hw.ppa.technology.named_cells import find_special

DIGITS, TABLE_DIGITS = 4, 3
TIGHT, LOOSE = 0.05, 0.02  # powers merge where they differ by less than 5 % of themselves + 2 % of the cell's mean
THRESHOLDS = ("input", "output", "slew_lower", "slew_upper")  # of a rise; those of a fall are equal in all
EDGES = 4  # tables of an arc that has both
ARCS = ("combinational", "rising_edge", "falling_edge")
CONSTRAINTS = ("setup_rising", "hold_rising", "setup_falling", "hold_falling")


@dataclass(frozen=True)
class Technology:
    """What to take of a library: the files, the cells, and the points of the slew and load axes."""

    files: tuple[str, ...]
    cells: str
    slews: tuple[int, int, int]
    loads: tuple[int, int, int]
    licence: str


TECHNOLOGIES = {
    "sg13g2": Technology(
        ("sg13g2_stdcell_typ_1p20V_25C.lib.gz",),
        r"sg13g2_(?!antenna|decap|fill|dlh|dll|dly|ebufn|einvn|sighold|sdf|slgcp)\w+",
        slews=(0, 1, 4),
        loads=(0, 1, 5),
        licence="Apache-2.0",
    ),
    "sky130hd": Technology(
        ("sky130hd_tt.lib.gz",),
        r"sky130_fd_sc_hd__("
        r"(a2111oi|a21boi|o21ai|and2|or2)_0|(inv|clkbuf|clkinv)_(1|2|4|8|16)|buf_[124]|(nand2|nor2|a21oi|o21ai)_4"
        r"|(nand2|nor2|nand3|nor3|a21oi|o21ai|a22oi|o22ai|a21o|o21a|and2|or2|xor2|xnor2|maj3|mux2|o221a"
        r"|a211oi|o211ai|nand4|nor4|dfxtp|dlclkp)_[12]"
        r"|(a211o|a21bo|a21boi|a221o|a221oi|a22o|a2bb2oi|a311oi|a31o|a31oi|a32o|a32oi|o211a|o21ba|o21bai"
        r"|o221ai|o22a|o2bb2ai|o31a|o31ai|o32ai|o311ai|and2b|or2b|and3|or3|and3b|or3b|nand2b|nor2b|nand3b|nor3b"
        r"|and4|or4|mux2i|mux4|xor3|xnor3|fa|ha|dfrtp|edfxtp|conb)_1)",
        slews=(0, 3, 5),
        loads=(1, 3, 4),
        licence="Apache-2.0",
    ),
    "asap7": Technology(
        (
            "asap7sc7p5t_AO_RVT_TT_nldm_211120.lib.gz",
            "asap7sc7p5t_INVBUF_RVT_TT_nldm_220122.lib.gz",
            "asap7sc7p5t_OA_RVT_TT_nldm_211120.lib.gz",
            "asap7sc7p5t_SEQ_RVT_TT_nldm_220123.lib.gz",
            "asap7sc7p5t_SIMPLE_RVT_TT_nldm_211120.lib.gz",
        ),
        r"(A2O1A1I|O2A1O1I|A2O1A1O1I)xp(33|25)_.*|INVx(p33|p67|1|2|4|8)_.*|BUFx(2|4|8)_.*"
        r"|(NAND|NOR)2x(p33|p5|p67|1|2)_.*|(NAND|NOR)3x(p33|1)_.*|(NAND|NOR)4xp(25|75)_.*|(AND|OR)2x(2|4)_.*"
        r"|(AND|OR)[34]x1_.*|(FA|HA)x(1|p5)_.*|MAJ(Ixp5|x2)_.*|XN?OR2x(p5|1|2)_.*"
        r"|(AOI|OAI)2[12]x(p33|p5|1)_.*|(AOI|OAI)2(11|21)xp5_.*|(AOI|OAI)3[12]xp33_.*"
        r"|AO21x[12]_.*|AO22x1_.*|AO211x2_.*|AO221x1_.*|OA(21|22|211|31)x2_.*"
        r"|DFFHQNx[12]_.*|DFFHQx4_.*|DFFASRHQNx1_.*|ICGx[12]_.*|TIE(HI|LO)x1_.*",
        slews=(1, 3, 5),
        loads=(0, 2, 4),
        licence="BSD-3-Clause",
    ),
}


class Thinner:
    """Reads the figures of one library file, in ps, fF, fJ and pW.

    ``axes`` collects the points that all tables share: of slews, and of the slews of setup and hold.
    """

    def __init__(self, library: Group, technology: Technology) -> None:
        self.library, self.technology = library, technology
        self.ps = {"1ns": 1e3, "1ps": 1.0}[library.get("time_unit")]
        self.ff = {"pf": 1e3, "ff": 1.0}[library.attributes["capacitive_load_unit"][1]]
        self.pw = {"1nW": 1e3, "1pW": 1.0}[library.get("leakage_power_unit")]
        kinds = ("lu_table_template", "power_lut_template")
        self.templates = {group.args[0]: group for kind in kinds for group in library.find(kind)}
        self.axes: dict[str, list[float]] = {}

    def cells(self) -> dict[str, Any]:
        """The wanted cells, by name."""
        groups = [group for group in self.library.find("cell") if re.fullmatch(self.technology.cells, group.args[0])]
        return {group.args[0]: self._cell(group) for group in groups}

    def _cell(self, cell: Group) -> dict[str, Any]:
        leakages = [group for group in cell.find("leakage_power") if _supplied(group)]
        whole = [group.number("value") for group in leakages if not group.get("when")]
        leakage = cell.number("cell_leakage_power", whole[0] if whole else 0.0)
        states = {_state(group, cell): group.number("value") for group in leakages if group.get("when")}
        row: dict[str, Any] = {"area_um2": cell.number("area"), "leakage_pw": _short(leakage * self.pw)}
        row["leakages_pw"] = {when: _short(value * self.pw) for when, value in states.items()}
        for ff in cell.find("ff"):
            attributes = {name: words[0] for name, words in ff.attributes.items() if name != "power_down_function"}
            row["ff"] = {"state": ff.args} | attributes
        for table in cell.find("statetable"):
            row["clock_gate"] = cell.get("clock_gating_integrated_cell")
            row["statetable"] = {"nodes": table.args, "table": " ".join(table.get("table").split())}
        scale = self._typical_energy(cell)
        return row | {"pins": {pin.args[0]: self._pin(pin, cell, scale) for pin in cell.find("pin")}}

    def _pin(self, pin: Group, cell: Group, scale: float) -> dict[str, Any]:
        names = ("direction", "clock", "function", "state_function", "internal_node")
        row: dict[str, Any] = {name: pin.get(name) for name in names if pin.get(name) not in ("", "false")}
        for role in ("enable", "clock", "out", "test"):
            if pin.get(f"clock_gate_{role}_pin") == "true":
                row["gate"] = role
        if row["direction"] == "input":
            row["capacitance_ff"] = [
                _short(pin.number(f"{edge}capacitance") * self.ff) for edge in ("", "rise_", "fall_")
            ]
            ranges = [pin.attributes.get(f"{edge}_capacitance_range") for edge in ("rise", "fall")]
            if all(ranges):  # what late paths are loaded with
                row["capacitance_max_ff"] = [_short(max(map(float, words or ())) * self.ff) for words in ranges]
        elif "max_capacitance" in pin.attributes:
            row["max_capacitance_ff"] = _short(pin.number("max_capacitance") * self.ff)
        self.axes.pop("loads_ff", None)  # they are the pin's own
        figures = {"arcs": self._arcs(pin), "powers": self._powers(pin, cell, scale)}
        loads = {"loads_ff": self.axes["loads_ff"]} if "loads_ff" in self.axes else {}
        return row | loads | {name: rows for name, rows in figures.items() if rows}

    def _arcs(self, pin: Group) -> list[dict[str, Any]]:
        """One arc for each related pin and type: the worst of all conditions, as ABC takes it.

        An arc whose conditions differ in sense, such as that of an exclusive or, has none:
        ``non_unate``. Clear and preset have one edge only and are left out; mapping ties them off.
        """
        arcs: dict[tuple[str, str], dict[str, Any]] = {}
        for timing in pin.find("timing"):
            kind = timing.get("timing_type", "combinational")
            tables = {f"{table.kind}_ps": self._table(table, self.ps) for table in timing.groups if table.args}
            if kind in CONSTRAINTS or (kind in ARCS and len(tables) == EDGES):
                arc = {"pin": timing.get("related_pin"), "type": kind, "sense": timing.get("timing_sense")}
                arc = {name: text for name, text in arc.items() if text not in ("", "combinational")} | tables
                _keep_worst(arcs.setdefault((timing.get("related_pin"), kind), arc), arc)
        return list(arcs.values())

    def _powers(self, pin: Group, cell: Group, scale: float) -> list[dict[str, Any]]:
        """Internal energies, states with about the same figures merged into one.

        A state about equal to the figure without condition is left to that one. Of an output's states
        that have no such figure the largest set becomes it: they are all the states in which the output
        moves. An input's states keep their condition: in the others the output's figure counts.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        for group in pin.find("internal_power"):
            if _supplied(group) and group.groups:
                tables = {
                    f"{table.kind.removesuffix('_power')}_fj": self._table(table, self.ff) for table in group.groups
                }
                found.setdefault(group.get("related_pin"), []).append({"when": [_state(group, cell)]} | tables)
        powers = []
        for related, rows in found.items():
            merged = _merge(sorted(rows, key=lambda row: row["when"] != [""]), scale)
            if related and merged[0]["when"] != [""]:
                merged.sort(key=lambda row: -len(row["when"]))
                merged[0]["when"] = [""]
            for row in merged:
                when = " + ".join(row.pop("when"))
                powers.append(({"pin": related} if related else {}) | ({"when": when} if when else {}) | row)
        return powers

    def _typical_energy(self, cell: Group) -> float:
        """The mean of the internal energies in fJ, to tell a small difference by."""
        groups = [power for pin in cell.find("pin") for power in pin.find("internal_power") if _supplied(power)]
        values = [abs(v) for power in groups for table in power.groups for v in _numbers(table.attributes["values"])]
        return sum(values) / len(values) * self.ff if values else 0.0

    def _table(self, table: Group, unit: float) -> Any:
        """A scalar, a row by slew, or rows by slew of columns by load; setup and hold: by clock slew, data slew."""
        template = self.templates.get(table.args[0], Group("", []))
        variables = [template.get(f"variable_{place}") for place in (1, 2) if template.get(f"variable_{place}")]
        values = [_short(value * unit, TABLE_DIGITS) for value in _numbers(table.attributes["values"])]
        points = []
        for place, variable in enumerate(variables, 1):
            index = table.attributes.get(f"index_{place}") or template.attributes[f"index_{place}"]
            points.append(self._points(variable, _numbers(index)))
        if len(points) < 2:
            return [values[point] for point in points[0]] if points else values[0]
        width = len(values) // len(_numbers(table.attributes.get("index_1") or template.attributes["index_1"]))
        grid = [[values[row * width + column] for column in points[1]] for row in points[0]]
        turned = variables[0] in ("total_output_net_capacitance", "constrained_pin_transition")
        return [list(column) for column in zip(*grid, strict=True)] if turned else grid

    def _points(self, variable: str, index: list[float]) -> tuple[int, ...]:
        """Which of an axis' points are kept."""
        if variable == "total_output_net_capacitance":
            name, unit, points = "loads_ff", self.ff, self.technology.loads
        elif variable in ("constrained_pin_transition", "related_pin_transition"):
            name, unit, points = "constraint_slews_ps", self.ps, self.technology.slews if len(index) > 4 else (0, 1, 2)
        else:
            name, unit, points = "slews_ps", self.ps, self.technology.slews
        axis = [_short(index[point] * unit) for point in points]
        known = self.axes.setdefault(name, axis)
        if any(abs(a - b) > 1e-3 * b for a, b in zip(axis, known, strict=True)):  # more than rounding
            raise ValueError(f"{name}: {axis} is not {known}")
        return points


def _supplied(group: Group) -> bool:
    """Whether a power group counts: of groups for each supply pin the one of the positive supply."""
    return group.get("related_pg_pin", "VDD") in ("VDD", "VPWR")


def _keep_worst(known: dict[str, Any], arc: dict[str, Any]) -> None:
    if known.get("sense") != arc.get("sense"):
        known["sense"] = "non_unate"
    for name, table in arc.items():
        if isinstance(table, list) and isinstance(table[0], list):
            rows = zip(known.get(name, table), table, strict=True)
            known[name] = [list(map(max, *pair)) for pair in rows]


def _merge(rows: list[dict[str, Any]], scale: float) -> list[dict[str, Any]]:
    """Rows with about the same tables as one, their conditions together and their figures averaged."""
    merged: list[list[dict[str, Any]]] = []
    for row in rows:
        for others in merged:
            if all(_alike(row, other, scale) for other in others):
                others.append(row)
                break
        else:
            merged.append([row])
    return [_mean(alike) for alike in merged]


def _alike(row: dict[str, Any], other: dict[str, Any], scale: float) -> bool:
    names = {name for name in row if name.endswith("_fj")}
    if names != {name for name in other if name.endswith("_fj")}:
        return False
    if any(isinstance(row[name], list) != isinstance(other[name], list) for name in names):
        return False  # a scalar 0 says that this edge is counted elsewhere
    pairs = [pair for name in names for pair in zip(_flat(row[name]), _flat(other[name]), strict=True)]
    return all(abs(a - b) <= TIGHT * max(abs(a), abs(b)) + LOOSE * scale for a, b in pairs)


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    first = rows[0]
    if first["when"] == [""]:
        return first
    mean = {name: _average([row[name] for row in rows]) if name.endswith("_fj") else first[name] for name in first}
    return mean | {"when": [when for row in rows for when in row["when"]]}


def _average(tables: list[Any]) -> Any:
    if isinstance(tables[0], list):
        return [_average(list(column)) for column in zip(*tables, strict=True)]
    return _short(sum(tables) / len(tables), TABLE_DIGITS)


def _flat(table: Any) -> Iterator[float]:
    if isinstance(table, list):
        for row in table:
            yield from _flat(row)
    else:
        yield table


def _state(group: Group, cell: Group) -> str:
    """The condition of a group; of a gate without the outputs, which follow from the inputs."""
    when = re.sub(r"\s", "", group.get("when")).replace("*", "&")
    if not any(kind in ("ff", "statetable") for kind in (inner.kind for inner in cell.groups)):
        outputs = "|".join(pin.args[0] for pin in cell.find("pin") if pin.get("direction") == "output")
        when = re.sub(rf"&!?({outputs})\b", "", when)
    return re.sub(r"^\(([^()]*)\)$", r"\1", when)


def _numbers(words: list[str]) -> list[float]:
    return [float(word) for text in words for word in re.split(r"[,\s]+", text.strip()) if word]


def _short(value: float, digits: int = DIGITS) -> float:
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) else short


def _wire_loads(library: Group, ff: float) -> dict[str, Any]:
    """The estimate of wires by fanout and area: ABC's delays and buffers depend on it."""
    models = {}
    for group in library.find("wire_load"):
        lengths = [_numbers(words) for words in group.repeated("fanout_length")]
        figures = {"capacitance_ff": _short(group.number("capacitance") * ff), "slope": group.number("slope")}
        models[group.args[0]] = figures | {"fanout_length": lengths}
    areas = {
        selection.args[0]: [
            [float(low), float(high), name] for low, high, name in selection.repeated("wire_load_from_area")
        ]
        for selection in library.find("wire_load_selection")
    }
    return {"models": models, "by_area_um2": areas, "default": library.get("default_wire_load")}


def _only(thinners: list[Thinner], name: str) -> list[float]:
    (axis,) = {tuple(thinner.axes[name]) for thinner in thinners if name in thinner.axes}
    return list(axis)


def main(name: str, folder: str) -> None:
    technology = TECHNOLOGIES[name]
    paths = [Path(folder) / file for file in technology.files]
    thinners = [Thinner(read(path), technology) for path in paths]
    cells = {cell: row for thinner in thinners for cell, row in thinner.cells().items()}
    groups = [thinner.library for thinner in thinners]
    first = groups[0]
    slews, constraint_slews = (_only(thinners, name) for name in ("slews_ps", "constraint_slews_ps"))
    condition = next(first.find("operating_conditions"))
    special = find_special(cell for group in groups for cell in group.find("cell") if cell.args[0] in cells)
    table = {
        "library": "+".join(group.args[0] for group in groups),
        "technology": name,
        "source": " ".join((Path(folder) / "SOURCE.txt").read_text().split()),
        "licence": technology.licence,
        "files_sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        "command": f"python benchmarks/extract_cells.py {name} FOLDER",
        "voltage_v": condition.number("voltage"),
        "temperature_c": condition.number("temperature"),
        "max_transition_ps": _short(first.number("default_max_transition") * thinners[0].ps),
        "thresholds_percent": {name: first.number(f"{name}_threshold_pct_rise") for name in THRESHOLDS},
        "slews_ps": slews,
        "constraint_slews_ps": constraint_slews,
        "wire_loads": _wire_loads(first, thinners[0].ff),
        "special": asdict(special),
        "cells": cells,
    }
    sys.stdout.write(_json(table))


def _json(table: dict[str, Any]) -> str:
    """One line for each entry of the table, and for each of the cells."""
    lines = [f' "{key}": {json.dumps(value)}' for key, value in table.items() if key != "cells"]
    cells = [f'  "{name}": {json.dumps(cell, separators=(",", ":"))}' for name, cell in table["cells"].items()]
    return "{\n" + ",\n".join([*lines, ' "cells": {\n' + ",\n".join(cells) + "\n }"]) + "\n}\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
