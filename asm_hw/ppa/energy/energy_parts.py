"""Which part of a unit a mapped cell belongs to.

Mapping keeps the names of registers and ports alone. So the RTL is simulated with the same stream: a net of the netlist
that settles in every cycle to the same bit as a signal of the RTL, or to its inverse, computes that signal and belongs
to its part, which its component names (`asm_hw.gateware.part_names`). Where several signals agree, the first in the
order of `PARTS` counts: the one that computes it, not those that pass it on. Any other cell belongs to the part of the
nearest such net that it drives, through one cell or more. What reaches none is ``other``.

The limit: nets that stay constant in the stream tell nothing, and logic that mapping shares or moves across a border
counts where it ends up.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from amaranth.lib import wiring

from asm_hw.gateware.part_names import PARTS, components_by_path
from asm_hw.ppa.activity.gate_netlist import TIMESCALE, port_nets
from asm_hw.ppa.activity.vcd_file import Bits, Times, Vcd, Waves
from asm_hw.ppa.netlist.mapped_netlist import Netlist

from .energy_accounting import Mapped, Parts

PartsByBits = dict[bytes, str]
"""The part of what a signal settles to: equal bytes for equal bits and for inverted ones."""

# Where the signals of the RTL stand in a dump: bench, `rtl_wrapper`, instance.
_UNIT = "tb.dut.unit."


def rtl_wrapper(netlist: Netlist, verilog: str, top: str) -> str:
    """Module ``dut`` with the scalar ports of the netlist's, around the RTL as instance ``unit``."""
    nets = port_nets(netlist)
    inputs = ", ".join(f"input n{net}" for net, direction in nets.items() if direction == "input")
    # A concatenation starts with its highest bit. Outputs stay open.
    pins = [
        f".{name}({{{', '.join(f'n{net}' for net in reversed(bits))}}})"
        for name, (direction, bits) in netlist.ports.items()
        if direction == "input"
    ]
    return f"{TIMESCALE}module dut({inputs});\n  {top} unit({', '.join(pins)});\nendmodule\n{verilog}"


class PartFinder:
    """Tells the part of a signal of the RTL by its name below the top, ``column_0.lane_1.row0``.

    ``exact``: weights are exact, and conditional inversion is of their partial products.
    """

    def __init__(self, top: wiring.Component, exact: bool) -> None:
        self._components = components_by_path(top)
        self._exact = exact

    def part(self, name: str) -> str | None:
        """The part that the outermost component with an expression for ``name`` says; None where none has one."""
        part = self._named_part(name)
        return "select_shift" if self._exact and part == "sign" else part

    def _named_part(self, name: str) -> str | None:
        words = name.split(".")
        for depth in range(len(words)):
            component = self._components.get(".".join(words[:depth]))
            rest = ".".join(words[depth:])
            for pattern, part in component.signal_parts.items() if component is not None else ():
                if re.fullmatch(pattern, rest):
                    return part
        return None

    def input_part(self, port: str) -> str:
        """The part of the nets that an input port drives."""
        return "clock" if port == "clk" else self._named_part(port) or "other"


def find_parts(mapped: Mapped, waves: Waves, known: PartsByBits, times: Times, finder: PartFinder) -> Parts:
    """The part of every instance and input net.

    ``known``: `known_bits` of the RTL at ``times``, those at which all nets have settled.
    """
    nets = list(waves.toggles)
    keys = _keys(np.stack([waves.value(net, times) for net in nets]))
    part_of = {net: known[key] for net, key in zip(nets, keys, strict=True) if key in known}
    readers: dict[int, list[list[int]]] = {}
    outputs = {}
    for instance in mapped.netlist.instances.values():
        cell, pins = mapped.cells[instance.cell], mapped.wiring.pins[instance.name]
        outputs[instance.name] = driven = [pins[pin.name] for pin in cell.outputs]
        for pin in cell.inputs:
            # The search ends at registers: what they give is a signal of the next cycle.
            if not cell.ff:
                readers.setdefault(pins[pin.name], []).append(driven)
    instances = {name: _nearest(driven, part_of, readers) for name, driven in outputs.items()}
    gates = [name for name in instances if mapped.cells[mapped.netlist.instances[name].cell].clock_gate]
    instances |= dict.fromkeys(gates, "clock")
    ports = mapped.netlist.ports.items()
    inputs = {net: finder.input_part(name) for name, (direction, bits) in ports if direction == "input" for net in bits}
    named = sum(any(net in part_of for net in driven) for driven in outputs.values())
    return Parts(instances, inputs, 100 * named / len(outputs))


def known_bits(rtl: Vcd, times: Times, finder: PartFinder) -> PartsByBits:
    """The part of each signal of the RTL by what it settles to at ``times``."""
    found: PartsByBits = {}
    for code, names in rtl.names.items():
        named = [finder.part(name.removeprefix(_UNIT)) for name, _ in names if name.startswith(_UNIT)]
        parts = [part for part in named if part]
        if not parts:
            continue
        part = min(parts, key=PARTS.index)
        # A constant tells nothing: its key is empty.
        for key in filter(None, _keys(rtl.samples(code, times))):
            if key not in found or PARTS.index(part) < PARTS.index(found[key]):
                found[key] = part
    return found


def _keys(bits: Bits) -> list[bytes]:
    """Of each row [.., times]: equal for equal bits and for inverted ones; empty for constant ones."""
    # Against its own first bit a row equals its inverse, and a constant one is all zeros, which rstrip empties.
    normal = bits ^ bits[:, :1]
    return [row.tobytes().rstrip(b"\0") for row in np.packbits(normal, axis=1)]


def _nearest(driven: list[int], part_of: dict[int, str], readers: dict[int, list[list[int]]]) -> str:
    """The commonest part among the nearest nets, downstream of ``driven``, that have one."""
    level, seen = set(driven), set(driven)
    while level:
        # Sorted: of equally common parts the one that was counted first wins.
        parts = Counter(part_of[net] for net in sorted(level) if net in part_of)
        if parts:
            return parts.most_common(1)[0][0]
        level = {net for known in level for nets in readers.get(known, ()) for net in nets} - seen
        seen |= level
    return "other"
