"""The clock of a netlist: its port, its nets, and the pins that it ends at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asm_hw.errors import ParameterError
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_types import Cell, Pin

from .mapped_netlist import ZERO, Instance, Netlist


@dataclass(frozen=True)
class ClockTree:
    """The clock of a netlist.

    Attributes
    ----------
    port : the input that all clock nets come from, "" where nothing is clocked
    nets : the nets from there, through buffers and clock gates, to each register's clock pin
    pins : the clock pin of each used cell type that has one
    """

    port: str
    nets: frozenset[int]
    pins: dict[str, str]


def clock_tree(netlist: Netlist, cells: Mapping[str, Cell]) -> ClockTree:
    """The one clock of ``netlist``.

    Raises `ParameterError` where there are two, a falling edge, a latch, or a clock through other logic.
    """
    pins = {name: pin for name in sorted(netlist.cell_names) if (pin := _clock_pin(cells[name]))}
    drivers = netlist.drivers(cells)
    registers = [instance for instance in netlist.instances.values() if instance.cell in pins]
    waiting = [instance.pins.get(pins[instance.cell], ZERO) for instance in registers]
    nets: set[int] = set()
    # From clock pins back to the port; `_source` refuses drivers other than buffers and clock gates.
    while waiting:
        net = waiting.pop()
        if net not in nets and net in drivers:
            instance, output = drivers[net]
            waiting.append(_source(instance, cells[instance.cell], output))
        nets.add(net)
    ports = sorted(name for net, name in netlist.inputs.items() if net in nets)
    if len(ports) > 1:
        raise ParameterError(f"netlist must have one clock, not {', '.join(ports)}")
    return ClockTree(ports[0] if ports else "", frozenset(nets), pins)


def _clock_pin(cell: Cell) -> str:
    """The pin that clocks a cell, "" if it is combinational."""
    if cell.latch:
        raise ParameterError(f"netlist must hold no latches for timing, but it uses cell {cell.name}")
    if cell.clock_gate:
        return cell.clock_gate.clock
    if not cell.ff:
        return ""
    clocked_on = Expression(cell.ff.clocked_on)
    # A function of one pin that is 0 at 1 inverts it: the cell takes falling edges.
    if len(clocked_on.names) != 1 or not clocked_on.function(1):
        raise ParameterError(f"netlist must be clocked by rising edges, but cell {cell.name} is not")
    return clocked_on.names[0]


def _source(instance: Instance, cell: Cell, output: Pin) -> int:
    """The net that clocks the net behind a clock gate or a buffer."""
    if cell.clock_gate:
        return instance.pins.get(cell.clock_gate.clock, ZERO)
    function = Expression(output.function)
    if cell.ff or len(function.names) != 1 or not function.function(1):
        raise ParameterError(f"netlist must clock registers through buffers and clock gates, not through {cell.name}")
    return instance.pins.get(function.names[0], ZERO)
