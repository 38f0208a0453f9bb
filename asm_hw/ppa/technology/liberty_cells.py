"""Reads the cells of a Liberty library into `Cell` objects.

Units everywhere: ns, fF, fJ, nW, um2, V. Each library's own units are converted while reading; an
energy of ``internal_power`` counts in its capacitive_load_unit x voltage_unit^2 (pJ in SG13G2 and
SKY130, fJ in ASAP7).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from asm_hw.errors import ParameterError

from .cell_functions import Expression
from .cell_library import Library
from .cell_types import Arc, Cell, ClockGate, FlipFlop, Latch, Pin, Power, Table
from .liberty_file import Group, read

__all__ = ["Arc", "Cell", "ClockGate", "Expression", "FlipFlop", "Latch", "Pin", "Power", "Table", "load_cells"]

# What a library's units are in ns, fF, nW and V; `_unit` has lowered their case.
_TIME_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0, "ps": 1e-3, "fs": 1e-6}
_CAP_FF = {"pf": 1e3, "ff": 1.0, "nf": 1e6, "uf": 1e9}
_POWER_NW = {"mw": 1e6, "uw": 1e3, "nw": 1.0, "pw": 1e-3, "fw": 1e-6, "w": 1e9}
_VOLT = {"mv": 1e-3, "v": 1.0}
# Which of a table's two axes a variable is: the slew that causes and the load, or the second slew.
_FIRST = ("input_net_transition", "input_transition_time", "related_pin_transition")
_SECOND = ("total_output_net_capacitance", "constrained_pin_transition")

# Not by path: the package's tables are written into a fresh folder each time (`compact_library`).
_CACHE: dict[str, dict[str, Cell]] = {}  # by the file's content: cells converted so far


def load_cells(library: Library, names: Iterable[str] | None = None) -> dict[str, Cell]:
    """The cells of all files of ``library`` by name, or just those in ``names``.

    Raises `ParameterError` where a file is not Liberty, a wanted cell is missing or a figure is malformed.
    """
    wanted = None if names is None else set(names)
    cells: dict[str, Cell] = {}
    for path in library.paths:
        cells |= _load(path, None if wanted is None else wanted - cells.keys())
    missing = sorted((wanted or set()) - cells.keys())
    if missing:
        raise ParameterError(f"liberty {library.name!r} must have cell {missing[0]}, which the netlist uses")
    return cells


def _load(path: Path, wanted: set[str] | None) -> dict[str, Cell]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    known = _CACHE.get(digest, {})
    if wanted is None or wanted - known.keys():
        reader = _Reader(read(path), str(path))
        known = reader.cells(wanted) | known
        _CACHE[digest] = known
    return {name: cell for name, cell in known.items() if wanted is None or name in wanted}


class _Reader:
    """Converts groups of one library file."""

    def __init__(self, library: Group, name: str) -> None:
        self.library, self.name = library, name
        self.ns = self._unit("time_unit", library.get("time_unit", "1ns"), _TIME_NS)
        volts = self._unit("voltage_unit", library.get("voltage_unit", "1V"), _VOLT)
        # Two words, (1,ff), where other units are one, 1ns.
        self.ff = self._unit(
            "capacitive_load_unit", "".join(library.attributes.get("capacitive_load_unit", "")), _CAP_FF
        )
        # fF V^2 is fJ: energies have no unit of their own in the file.
        self.fj = self.ff * volts**2
        self.nw = self._unit("leakage_power_unit", library.get("leakage_power_unit", "1nW"), _POWER_NW)
        kinds = ("lu_table_template", "power_lut_template")
        self.templates = {group.args[0]: group for kind in kinds for group in library.find(kind) if group.args}

    def cells(self, wanted: set[str] | None) -> dict[str, Cell]:
        groups = (group for group in self.library.find("cell") if group.args)
        return {group.args[0]: self._cell(group) for group in groups if wanted is None or group.args[0] in wanted}

    def _unit(self, name: str, text: str, scales: dict[str, float]) -> float:
        # A number and a unit, such as 1ns or 0.001pf.
        match = re.fullmatch(r"([\d.eE+-]+)([a-z]+)", text.strip().lower())
        if not match or match[2] not in scales:
            raise ParameterError(f"liberty {self.name!r} must have a {name} in {', '.join(scales)}, not {text!r}")
        return float(match[1]) * scales[match[2]]

    def _cell(self, group: Group) -> Cell:
        # Where leakage is given by supply pin, what flows into ground is that of the supply once more.
        grounds = {pg.args[0] for pg in group.find("pg_pin") if pg.args and pg.get("pg_type").endswith("ground")}
        leakages: dict[str, float] = {}
        for leakage in group.find("leakage_power"):
            if leakage.get("related_pg_pin") not in grounds:
                when = leakage.get("when")
                # Several supplies in one state add up.
                leakages[when] = leakages.get(when, 0.0) + self._number(leakage, "value") * self.nw
        pins = {name: self._pin(pin, name) for pin in group.find("pin") for name in pin.args}
        return Cell(
            name=group.args[0],
            area_um2=self._number(group, "area"),
            leakage_nw=self._leakage(group, leakages),
            leakages=tuple((when, value) for when, value in leakages.items() if when),
            pins=pins,
            ff=_flip_flop(group),
            latch=_latch(group),
            clock_gate=_clock_gate(group),
        )

    def _leakage(self, group: Group, leakages: dict[str, float]) -> float:
        """The one figure of a cell: cell_leakage_power, or the stateless group, or the mean of the states."""
        if "cell_leakage_power" in group.attributes:
            return self._number(group, "cell_leakage_power") * self.nw
        if "" in leakages:
            return leakages[""]
        if leakages:
            return sum(leakages.values()) / len(leakages)
        return self._number(self.library, "default_cell_leakage_power") * self.nw

    def _pin(self, group: Group, name: str) -> Pin:
        plain = self._number(group, "capacitance")
        rise, fall = (self._number(group, f"{edge}_capacitance", plain) for edge in ("rise", "fall"))
        # -1 stands for none.
        limit = self._number(group, "max_capacitance", -1.0)
        return Pin(
            name=name,
            direction=group.get("direction"),
            capacitance_ff=plain * self.ff,
            rise_capacitance_ff=rise * self.ff,
            fall_capacitance_ff=fall * self.ff,
            rise_capacitance_max_ff=self._upper(group, "rise_capacitance_range", rise) * self.ff,
            fall_capacitance_max_ff=self._upper(group, "fall_capacitance_range", fall) * self.ff,
            function=group.get("function") or group.get("state_function"),
            clock=group.get("clock") == "true",
            max_capacitance_ff=None if limit < 0 else limit * self.ff,
            arcs=tuple(arc for timing in group.find("timing") for arc in self._arcs(timing)),
            powers=tuple(power for energy in group.find("internal_power") for power in self._powers(energy)),
        )

    def _arcs(self, group: Group) -> list[Arc]:
        figures = {
            kind: self._table(group, kind, self.ns)
            for kind in (
                "cell_rise", "cell_fall", "rise_transition", "fall_transition", "rise_constraint", "fall_constraint"
            )
        }  # fmt: skip
        kind, sense, when = (group.get(word) for word in ("timing_type", "timing_sense", "when"))
        return [Arc(pin, kind or "combinational", sense, when, **figures) for pin in group.get("related_pin").split()]

    def _powers(self, group: Group) -> list[Power]:
        both = self._table(group, "power", self.fj)
        # A table ``power`` is that of both edges.
        rise, fall = (self._table(group, kind, self.fj) or both for kind in ("rise_power", "fall_power"))
        supply, when = group.get("related_pg_pin"), group.get("when")
        return [Power(pin, when, supply, rise, fall) for pin in group.get("related_pin").split() or [""]]

    def _table(self, group: Group, kind: str, scale: float) -> Table | None:
        """The table of a kind, its axes in the order of `Table`; None where the group has none."""
        table = next(group.find(kind), None)
        if table is None:
            return None
        # A scalar table has no template: no axes, one value.
        template = self.templates.get(table.args[0] if table.args else "", Group(kind, []))
        rows = [tuple(self._numbers(row, scale)) for row in table.attributes.get("values", [])]
        axes: list[tuple[float, ...]] = [(0.0,), (0.0,)]
        order = []
        for number in ("1", "2", "3"):
            variable = template.get(f"variable_{number}")
            # A table's own points replace those of its template.
            index = table.attributes.get(f"index_{number}") or template.attributes.get(f"index_{number}")
            if variable and index:
                order.append(self._place(variable))
                unit = self.ff if variable.endswith("capacitance") else self.ns
                axes[order[-1]] = tuple(self._numbers(" ".join(index), unit))
        values = self._shaped(rows, axes, order, kind)
        return Table((axes[0], axes[1]), values)

    def _place(self, variable: str) -> int:
        if variable in _FIRST:
            return 0
        if variable in _SECOND:
            return 1
        raise ParameterError(f"liberty {self.name!r} must have tables over slew and load, not over {variable}")

    def _shaped(
        self, rows: list[tuple[float, ...]], axes: list[tuple[float, ...]], order: list[int], kind: str
    ) -> tuple[tuple[float, ...], ...]:
        """``values`` by first and second axis, however the library has ordered and split them."""
        flat = [value for row in rows for value in row]
        height, width = map(len, axes)
        if len(flat) != height * width or len(set(order)) != len(order):
            raise ParameterError(
                f"liberty {self.name!r} must have {height} x {width} values in a {kind} table, not {len(flat)}"
            )
        # The library has the load first: turned round.
        if order == [1, 0]:
            return tuple(tuple(flat[i::height]) for i in range(height))
        return tuple(tuple(flat[i * width : (i + 1) * width]) for i in range(height))

    def _number(self, group: Group, name: str, default: float = 0.0) -> float:
        if name not in group.attributes:
            return default
        numbers = self._numbers(group.get(name), 1.0)
        if not numbers:
            where = " ".join([group.kind, *group.args])
            raise ParameterError(f"liberty {self.name!r} must have a number for {name} of {where}: it has none")
        return numbers[0]

    def _upper(self, group: Group, name: str, default: float) -> float:
        return max(self._numbers(" ".join(group.attributes.get(name, [])), 1.0), default=default)

    def _numbers(self, text: str, scale: float) -> list[float]:
        try:
            return [float(word) * scale for word in text.replace(",", " ").split()]
        except ValueError:
            raise ParameterError(f"liberty {self.name!r} must have numbers where it has {text[:40]!r}") from None


def _flip_flop(group: Group) -> FlipFlop | None:
    ff = next(group.find("ff"), None)
    words = ("clocked_on", "next_state", "clear", "preset")
    if ff and len(ff.args) != 2:
        raise ParameterError(f"liberty must name two states of the ff in cell {group.args[0]}, not {len(ff.args)}")
    return FlipFlop(tuple(ff.args), *(ff.get(word) for word in words)) if ff else None


def _latch(group: Group) -> Latch | None:
    latch = next(group.find("latch"), None)
    words = ("enable", "data_in", "clear", "preset")
    return Latch(tuple(latch.args), *(latch.get(word) for word in words)) if latch else None


def _clock_gate(group: Group) -> ClockGate | None:
    kind = group.get("clock_gating_integrated_cell")
    if not kind:
        return None
    roles = {
        role: name
        for role in ("clock", "enable", "test", "out")
        for pin in group.find("pin")
        for name in pin.args
        if pin.get(f"clock_gate_{role}_pin") == "true"
    }
    # statetable ("CLK GATE", "int_GATE"): the inputs, then the latch inside.
    table = next(group.find("statetable"), None)
    state = table.args[1] if table and len(table.args) > 1 else ""
    return ClockGate(
        kind, roles.get("clock", ""), roles.get("enable", ""), roles.get("test", ""), roles.get("out", ""), state
    )
