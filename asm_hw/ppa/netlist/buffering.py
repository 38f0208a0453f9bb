"""Buffers on nets that their driver may not drive: ABC sees neither what registers drive nor their limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any

from asm_hw.errors import ParameterError
from asm_hw.ppa.technology.cell_types import Cell, Pin
from asm_hw.ppa.technology.named_cells import Gate

from .clock_tree import clock_tree
from .mapped_netlist import Instance, Netlist

Load = tuple[Instance, Pin]


def buffered(netlist_json: str, top: str, cells: Mapping[str, Cell], buffer: Gate) -> str | None:
    """The netlist with trees of ``buffer`` where a net's pins exceed the ``max_capacitance`` of its driver.

    None where no net does. Nets of the clock and those of input ports have no such limit. ``cells`` must
    have ``buffer``. Wires have no capacitance here, as in timing. Raises `ParameterError` for a buffer that may
    not drive two of its own inputs: no tree of it ends.
    """
    cell = cells[buffer.cell]
    # A library without limits lets it drive anything.
    limit = cell.pins[buffer.output].max_capacitance_ff or inf
    if limit < 2 * max(pin.capacitance_ff for pin in cell.inputs):
        raise ParameterError(
            f"liberty must let buffer {buffer.cell} drive two of its inputs, but its max_capacitance is {limit:g} fF"
        )
    document = json.loads(netlist_json)
    module, count = document["modules"][top], 0
    # A tree grows from its leaves: each round puts one level of buffers on every net that is still too heavy.
    while heavy := _heavy(Netlist.from_yosys_json(json.dumps(document), top), cells):
        for net, loads in heavy.items():
            for group in _groups(loads, limit):
                _insert(module, buffer, net, group, count)
                count += 1
    return json.dumps(document) if count else None


def _heavy(netlist: Netlist, cells: Mapping[str, Cell]) -> dict[int, list[Load]]:
    """The loads of each net that is too heavy for its driver; a single pin cannot be divided."""
    drivers, capacitance = netlist.drivers(cells), netlist.load_ff(cells)
    # The clock is ideal in timing: its nets get no buffers here.
    clock = clock_tree(netlist, cells).nets
    limits = {net: pin.max_capacitance_ff for net, (_, pin) in drivers.items() if net not in clock}
    loads = netlist.loads(cells)
    return {
        net: loads[net] for net, limit in limits.items() if limit and capacitance[net] > limit and len(loads[net]) > 1
    }


def _groups(loads: list[Load], limit: float) -> list[list[Load]]:
    """``loads`` in their order, cut where the next one would exceed ``limit``."""
    groups: list[list[Load]] = []
    total = limit
    for load in loads:
        if total + load[1].capacitance_ff > limit or not groups:
            groups.append([])
            total = 0.0
        groups[-1].append(load)
        total += load[1].capacitance_ff
    return groups


def _insert(module: dict[str, Any], buffer: Gate, net: int, loads: list[Load], index: int) -> None:
    """One buffer from ``net`` to ``loads``."""
    # Wires and cells share one space of names.
    new = add_cell(module, f"fanout_buffer_{index}", f"fanout_{index}", buffer.cell, {buffer.input: net}, buffer.output)
    for instance, pin in loads:
        module["cells"][instance.name]["connections"][pin.name] = [new]


def add_cell(
    module: dict[str, Any], name: str, wire: str, cell: str, inputs: Mapping[str | None, int], output: str
) -> int:
    """Put a cell into a module of Yosys's JSON; the net of its output, a new one that is named ``wire``."""
    net = 1 + max(bit for named in module["netnames"].values() for bit in named["bits"] if isinstance(bit, int))
    # hide_name 1 says that the name is not of the source; `Netlist` prefers those that are.
    module["netnames"][wire] = {"hide_name": 1, "bits": [net], "attributes": {}}
    module["cells"][name] = {
        "hide_name": 1,
        "type": cell,
        "parameters": {},
        "attributes": {},
        "port_directions": {**dict.fromkeys(inputs, "input"), output: "output"},
        "connections": {**{pin: [bit] for pin, bit in inputs.items()}, output: [net]},
    }
    return net
