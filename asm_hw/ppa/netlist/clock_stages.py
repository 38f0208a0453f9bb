"""Clock gates in two stages: where enables share a condition, a gate before theirs stops the clock to all of them.

The input of a gate takes energy at every edge of its clock, whether it opens or not: of many registers of which one is
written at a time, that is most of what their clock takes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_types import Cell
from asm_hw.ppa.technology.named_cells import ClockGate, Gate

from .buffering import add_cell
from .mapped_netlist import Instance, Netlist

LEAST_GATES = 4
"""Gates that are worth one before them."""

Condition = tuple[int, int]
"""A net and the value that it must have."""


def gated_in_stages(
    netlist_json: str, top: str, cells: Mapping[str, Cell], gate: ClockGate, inverter: Gate | None
) -> str | None:
    """The netlist with gates before gates; None where no `LEAST_GATES` of one clock share a condition.

    A condition is a net whose value follows from an enable that is 1, through the functions of the cells before it.
    The one that the fewest gates share opens least often, and counts; of several the one from which most follows.
    ``cells`` must have ``gate`` and ``inverter``; without one, conditions are nets that must be 1.
    """
    document = json.loads(netlist_json)
    netlist = Netlist.from_yosys_json(netlist_json, top)
    conditions = _Conditions(netlist, cells)
    shared: dict[tuple[int, Condition], list[Instance]] = defaultdict(list)
    for instance in netlist.instances.values():
        if instance.cell == gate.cell:
            for condition in conditions.of((instance.pins[gate.enable], 1)):
                if condition[1] or inverter:
                    shared[instance.pins[gate.clock], condition].append(instance)
    groups = sorted(shared.items(), key=lambda group: (len(group[1]), -len(conditions.of(group[0][1])), group[0]))
    module, done, count = document["modules"][top], set(), 0
    for (clock, condition), members in groups:
        left = [instance.name for instance in members if instance.name not in done]
        if len(left) >= LEAST_GATES:
            _insert(module, gate, inverter, clock, condition, left, count)
            done.update(left)
            count += 1
    return json.dumps(document) if count else None


class _Conditions:
    """What follows from the value of a net."""

    def __init__(self, netlist: Netlist, cells: Mapping[str, Cell]):
        self._drivers, self._cells = netlist.drivers(cells), cells
        self._found: dict[Condition, frozenset[Condition]] = {}
        self._forced: dict[tuple[str, int], list[tuple[str, int]]] = {}

    def of(self, condition: Condition) -> frozenset[Condition]:
        """The values that nets must have where one has this one, itself among them."""
        if condition not in self._found:
            found, waiting = {condition}, [condition]
            while waiting:
                fresh = set(self._before(waiting.pop())) - found
                found |= fresh
                waiting += fresh
            self._found[condition] = frozenset(found)
        return self._found[condition]

    def _before(self, condition: Condition) -> Iterable[Condition]:
        """What the cell that drives a net needs at its inputs."""
        net, value = condition
        if net not in self._drivers:
            return
        instance, pin = self._drivers[net]
        cell = self._cells[instance.cell]
        if cell.ff or cell.latch or cell.clock_gate:
            return
        for name, needed in self._inputs(pin.function, value):
            if instance.pins.get(name, 0) > 1:  # not a constant
                yield instance.pins[name], needed

    def _inputs(self, function: str, value: int) -> list[tuple[str, int]]:
        """The inputs that have one value wherever ``function`` has ``value``."""
        if (function, value) not in self._forced:
            expression = Expression(function)
            rows = [row for row in product((0, 1), repeat=len(expression.names)) if expression.function(*row) == value]
            columns = zip(expression.names, zip(*rows, strict=True), strict=False)
            self._forced[function, value] = [(name, column[0]) for name, column in columns if len(set(column)) == 1]
        return self._forced[function, value]


def _insert(
    module: dict[str, Any], gate: ClockGate, inverter: Gate | None, clock: int, condition: Condition, names: list[str],
    index: int,
) -> None:  # fmt: skip
    """One gate from ``clock``, open under ``condition``, to the gates ``names``."""
    net, value = condition
    if not value:
        assert inverter is not None  # such conditions were left out without one
        name = f"clock_stage_condition_{index}"
        net = add_cell(module, name, f"{name}_net", inverter.cell, {inverter.input: net}, inverter.output)
    inputs: dict[str | None, int] = {gate.clock: clock, gate.enable: net}
    if gate.test:
        (inputs[gate.test],) = module["cells"][names[0]]["connections"][gate.test]
    gated = add_cell(module, f"clock_stage_{index}", f"clock_stage_{index}_net", gate.cell, inputs, gate.gated)
    for name in names:
        module["cells"][name]["connections"][gate.clock] = [gated]
