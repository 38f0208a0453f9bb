"""A stimulus through a mapped netlist at a clock: the transitions of its nets, and the part of each of its cells."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import join_fields, pack, place_fields
from asm_hw.ppa.activity.gate_netlist import bench, port_nets, to_verilog, wire_up
from asm_hw.ppa.activity.gate_simulation import DELAYS, simulate
from asm_hw.ppa.activity.port_stimulus import WARM_UP_BEATS, Stimulus
from asm_hw.ppa.activity.vcd_file import Times, Waves
from asm_hw.ppa.layout.wire_loads import with_wires
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.static_timing import analyse
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.ppa.technology.liberty_file import read
from asm_hw.units.operands_config import OperandsConfig

from .energy_accounting import FS_PER_NS, Mapped, Parts
from .energy_parts import PartFinder, PartsByBits, find_parts, known_bits, rtl_wrapper


@dataclass(frozen=True)
class Rtl:
    """What a netlist was mapped from: Verilog, its configuration, and what makes its component of that."""

    verilog: str
    config: OperandsConfig
    make: Callable[[Any], wiring.Component]


def analysed(netlist: Netlist, library: Library) -> Mapped:
    """A netlist with its cells, the wires that its library knows, its timing and its supply voltage."""
    cells = load_cells(library, netlist.cell_names)
    if library.wires:
        netlist = with_wires(netlist, cells, library.wires)
    return Mapped(netlist, cells, wire_up(netlist, cells), analyse(netlist, cells), supply_voltage(library))


@cache
def supply_voltage(library: Library) -> float:
    """Volts, from ``nom_voltage`` of the library's first file."""
    voltage = read(library.paths[0]).number("nom_voltage")
    if not voltage > 0:
        raise ParameterError(f"liberty {library.name!r} must have a positive nom_voltage, not {voltage!r}")
    return voltage


class Run:
    """A stimulus through a netlist at a clock. Cycle k starts with the rising edge at (k + 1) periods."""

    def __init__(self, mapped: Mapped, stimulus: Stimulus, period_ns: float, cycles: int) -> None:
        self.mapped, self.stimulus = mapped, stimulus
        self.period = round(period_ns * FS_PER_NS)
        first = stimulus.first_beat + WARM_UP_BEATS + 1
        # Times lie a fs before edges of the clock: what an edge moves belongs to the cycle that it begins.
        self.start, self.end = first * self.period - 1, (first + cycles) * self.period - 1
        self.settled: Times = np.arange(first + 1, first + cycles + 1) * self.period - 1
        # Before rising and falling edges: states differ between the levels of the clock.
        self.state_times: Times = np.sort(np.concatenate([self.settled, self.settled - self.period // 2]))

    def netlist_waves(self, tool: str) -> tuple[Waves, Waves]:
        """Transitions in the measured cycles, and those of the ports in all cycles after reset."""
        timing = self.mapped.timing
        delays = timing.delays_ns if tool == DELAYS else None
        netlist, cells, wiring = self.mapped.netlist, self.mapped.cells, self.mapped.wiring
        verilog = to_verilog(netlist, cells, wiring, delays)
        nets = {net for pins in wiring.pins.values() for net in pins.values() if net > 1}
        nets |= port_nets(netlist).keys()
        ports = {net for _, bits in netlist.ports.values() for net in bits if net > 1}
        with tempfile.TemporaryDirectory() as scratch:
            vcd = simulate(verilog + self._bench(), self._words, Path(scratch), tool)
        after_reset = (self.stimulus.first_beat + 1) * self.period - 1
        return vcd.waves(nets, self.start, self.end), vcd.waves(ports, after_reset, self._cycles_end())

    def words(self, waves: Waves, port: str) -> list[int]:
        """A port's value at the end of each cycle; 0 before the first beat."""
        cycles = np.arange(self.stimulus.first_beat, self.stimulus.cycles)
        # Cycle k ends with the edge at k + 2 periods.
        values = [waves.value(net, (cycles + 2) * self.period - 1) for net in self.mapped.netlist.ports[port][1]]
        words = [pack(map(int, bits), 1) for bits in zip(*values, strict=True)]
        return [0] * self.stimulus.first_beat + words

    def parts(self, rtl: Rtl, waves: Waves, tool: str) -> Parts:
        """Which part each cell belongs to, by a run of the RTL."""
        # Depth 0: the dump takes the signals of all levels inside of the unit.
        text = rtl_wrapper(self.mapped.netlist, rtl.verilog, rtl.config.slug) + self._bench(depth=0)
        finder = _part_finder(rtl)
        known = _rtl_bits(text, tuple(self._words), tool, tuple(self.settled.tolist()), finder)
        return find_parts(self.mapped, waves, known, self.settled, finder)

    def _cycles_end(self) -> int:
        return (self.stimulus.cycles + 1) * self.period

    def _inputs(self) -> dict[str, list[int]]:
        """The nets of each input but the clock."""
        ports = self.mapped.netlist.ports.items()
        return {name: bits for name, (direction, bits) in ports if direction == "input" and name != "clk"}

    def _bench(self, depth: int = 1) -> str:
        clock = self.mapped.netlist.ports["clk"][1][0]
        names = [f"n{net}" for bits in self._inputs().values() for net in bits]
        # From fs to ps.
        return bench(names, f"n{clock}", self.period / 1000, self.stimulus.cycles, depth)

    @cached_property
    def _words(self) -> list[int]:
        """All inputs of each cycle side by side."""
        inputs = self._inputs()
        fields = place_fields((name, len(bits)) for name, bits in inputs.items())
        values = [self.stimulus.inputs[name] for name in inputs]
        return [join_fields(fields, dict(zip(inputs, cycle, strict=True))) for cycle in zip(*values, strict=True)]


@lru_cache(32)
def _part_finder(rtl: Rtl) -> PartFinder:
    return PartFinder(rtl.make(rtl.config), rtl.config.arithmetic == "exact")


@lru_cache(32)  # one for all recipes by which the same RTL is mapped
def _rtl_bits(
    text: str, stimulus: tuple[int, ...], tool: str, settled: tuple[int, ...], finder: PartFinder
) -> PartsByBits:
    """What the signals of the RTL settle to, and the part of each."""
    with tempfile.TemporaryDirectory() as scratch:
        return known_bits(simulate(text, stimulus, Path(scratch), tool), np.array(settled), finder)


def moving_percent(mapped: Mapped, waves: Waves) -> float:
    """Share of the cells' pins that moved while all were watched: a pin that is not in the dump raises."""
    nets = [net for pins in mapped.wiring.pins.values() for net in pins.values()]
    return round(100 * sum(net > 1 and waves.count(net) > 0 for net in nets) / len(nets), 2)
