"""A flat netlist of library cells, read from Yosys's JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asm_hw.errors import ParameterError
from asm_hw.ppa.technology.cell_types import Cell, Pin

ZERO, ONE = 0, 1
"""The nets of the constants: Yosys numbers the others from 2 on."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A cell of the netlist; ``pins`` has the net of each connected pin."""

    name: str
    cell: str
    pins: dict[str, int]


@dataclass(frozen=True)
class Netlist:
    """A flat design. A net is an integer: one bit.

    Attributes
    ----------
    top : name of the module
    ports : direction ("input" or "output") and nets, LSB first, of each port by name
    instances : the cells by instance name
    nets : a readable name for each net: ``acc[3]`` where a port or a named wire has it
    constants : value of the constant nets, `ZERO` and `ONE`
    wires_ff : capacitance of each net's wires, where they are known
    """

    top: str
    ports: dict[str, tuple[str, list[int]]]
    instances: dict[str, Instance]
    nets: dict[int, str]
    constants: dict[int, int]
    wires_ff: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def from_yosys_json(cls, source: str | Path, top: str) -> Netlist:
        """The module ``top`` of what Yosys's ``write_json`` wrote: a path, or its text.

        An undriven bit (``x``, ``z``) counts as constant 0. Raises `ParameterError` where a cell is not
        of a library: the design is not mapped.
        """
        text = source if isinstance(source, str) and source.lstrip().startswith("{") else Path(source).read_text()
        module = json.loads(text)["modules"][top]
        ports = {name: (port["direction"], _nets(port["bits"])) for name, port in module["ports"].items()}
        # A $scopeinfo cell is no hardware: it keeps what flattening knew of a module.
        instances = {
            name: _instance(name, cell) for name, cell in module["cells"].items() if cell["type"] != "$scopeinfo"
        }
        return cls(top, ports, instances, _names(module), {ZERO: 0, ONE: 1})

    @property
    def cell_names(self) -> set[str]:
        """The library cells that it uses."""
        return {instance.cell for instance in self.instances.values()}

    @property
    def inputs(self) -> dict[int, str]:
        """The nets that input ports drive, and their names."""
        return {net: self.nets[net] for direction, bits in self.ports.values() if direction == "input" for net in bits}

    def drivers(self, cells: Mapping[str, Cell]) -> dict[int, tuple[Instance, Pin]]:
        """The instance and its output pin that drive each net; nets of input ports and constants are absent."""
        return {net: (instance, pin) for instance, pin, net in self._pins(cells) if pin.direction == "output"}

    def loads(self, cells: Mapping[str, Cell]) -> dict[int, list[tuple[Instance, Pin]]]:
        """The instances and their input pins on each net; a net that only leaves through a port has none."""
        found: dict[int, list[tuple[Instance, Pin]]] = {net: [] for net in self.nets}
        for instance, pin, net in self._pins(cells):
            if pin.direction == "input":
                found.setdefault(net, []).append((instance, pin))
        return found

    def _pins(self, cells: Mapping[str, Cell]) -> Iterator[tuple[Instance, Pin, int]]:
        """Every connected pin. Raises `ParameterError` where ``cells`` does not have it."""
        for instance in self.instances.values():
            pins = cells[instance.cell].pins if instance.cell in cells else {}
            for name, net in instance.pins.items():
                if name not in pins:
                    raise ParameterError(
                        f"liberty must have pin {name} of cell {instance.cell}, which the netlist uses"
                    )
                yield instance, pins[name], net

    def load_ff(
        self, cells: Mapping[str, Cell], kind: str = "capacitance_ff", output_load_ff: float = 0.0
    ) -> dict[int, float]:
        """What each net's driver has to charge, fF: its input pins, its wires, and ``output_load_ff`` a port.

        ``kind`` is the attribute of `Pin` to add up, such as ``rise_capacitance_ff``.
        """
        pins = self.loads(cells).items()
        total = {net: self.wires_ff.get(net, 0.0) + sum(getattr(pin, kind) for _, pin in found) for net, found in pins}
        for direction, bits in self.ports.values():
            if direction == "output":
                for net in bits:
                    total[net] = total.get(net, 0.0) + output_load_ff
        return total


def _instance(name: str, cell: dict[str, Any]) -> Instance:
    if cell["type"].startswith("$"):
        raise ParameterError(f"netlist must be mapped onto library cells, but {cell['type']} is left")
    # Pins of library cells are one bit wide; an open one has no bits at all.
    pins = {pin: _nets(bits) for pin, bits in cell["connections"].items()}
    return Instance(name, cell["type"], {pin: nets[0] for pin, nets in pins.items() if nets})


def _nets(bits: list[int | str]) -> list[int]:
    # Yosys writes nets as numbers and constants as the texts "0", "1", "x", "z".
    return [bit if isinstance(bit, int) else int(bit == "1") for bit in bits]


def _names(module: dict[str, Any]) -> dict[int, str]:
    """A name for each net: of a port if there is one, then of a wire that the source names, then Yosys's own."""
    wires = module["netnames"].items()
    ranked = sorted(wires, key=lambda wire: (wire[0] not in module["ports"], wire[1]["hide_name"]))
    names = {ZERO: "1'b0", ONE: "1'b1"}
    for name, wire in ranked:
        for index, net in enumerate(_nets(wire["bits"])):
            names.setdefault(net, f"{name}[{index}]" if len(wire["bits"]) > 1 else name)
    return names
