"""Reads the figures that the compact tables keep of a Liberty library."""

from __future__ import annotations

import re
from typing import Any

from extracted_technologies import Technology
from merged_powers import TABLE_DIGITS, merge_powers, short

from asm_hw.ppa.technology.liberty_file import Group

EDGES = 4  # tables of an arc that has both
ARCS = ("combinational", "rising_edge", "falling_edge")
CONSTRAINTS = ("setup_rising", "hold_rising", "setup_falling", "hold_falling")


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
        row: dict[str, Any] = {"area_um2": cell.number("area"), "leakage_pw": short(leakage * self.pw)}
        row["leakages_pw"] = {when: short(value * self.pw) for when, value in states.items()}
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
                short(pin.number(f"{edge}capacitance") * self.ff) for edge in ("", "rise_", "fall_")
            ]
            ranges = [pin.attributes.get(f"{edge}_capacitance_range") for edge in ("rise", "fall")]
            if all(ranges):  # what late paths are loaded with
                row["capacitance_max_ff"] = [short(max(map(float, words or ())) * self.ff) for words in ranges]
        elif "max_capacitance" in pin.attributes:
            row["max_capacitance_ff"] = short(pin.number("max_capacitance") * self.ff)
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
            merged = merge_powers(sorted(rows, key=lambda row: row["when"] != [""]), scale)
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
        values = [abs(v) for power in groups for table in power.groups for v in numbers(table.attributes["values"])]
        return sum(values) / len(values) * self.ff if values else 0.0

    def _table(self, table: Group, unit: float) -> Any:
        """A scalar, a row by slew, or rows by slew of columns by load; setup and hold: by clock slew, data slew."""
        template = self.templates.get(table.args[0], Group("", []))
        variables = [template.get(f"variable_{place}") for place in (1, 2) if template.get(f"variable_{place}")]
        values = [short(value * unit, TABLE_DIGITS) for value in numbers(table.attributes["values"])]
        points = []
        for place, variable in enumerate(variables, 1):
            index = table.attributes.get(f"index_{place}") or template.attributes[f"index_{place}"]
            points.append(self._points(variable, numbers(index)))
        if len(points) < 2:
            return [values[point] for point in points[0]] if points else values[0]
        width = len(values) // len(numbers(table.attributes.get("index_1") or template.attributes["index_1"]))
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
        axis = [short(index[point] * unit) for point in points]
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


def _state(group: Group, cell: Group) -> str:
    """The condition of a group; of a gate without the outputs, which follow from the inputs."""
    when = re.sub(r"\s", "", group.get("when")).replace("*", "&")
    if not any(kind in ("ff", "statetable") for kind in (inner.kind for inner in cell.groups)):
        outputs = "|".join(pin.args[0] for pin in cell.find("pin") if pin.get("direction") == "output")
        when = re.sub(rf"&!?({outputs})\b", "", when)
    return re.sub(r"^\(([^()]*)\)$", r"\1", when)


def numbers(words: list[str]) -> list[float]:
    """The numbers in the texts of an attribute."""
    return [float(word) for text in words for word in re.split(r"[,\s]+", text.strip()) if word]
