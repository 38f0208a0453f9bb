"""Energy of a mapped unit in a stream: timed, simulated, accounted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.ppa.activity import gate_netlist as gates
from asm_hw.ppa.activity.gate_simulation import DELAYS, simulate, simulator
from asm_hw.ppa.activity.operand_streams import StreamOptions, check_unit, operands
from asm_hw.ppa.activity.port_stimulus import WARM_UP_BEATS, Drive, drive, matches_golden
from asm_hw.ppa.activity.vcd_file import Times, Waves
from asm_hw.ppa.baselines.area_comparison import Candidate
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.static_timing import analyse
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.ppa.technology.liberty_file import read
from asm_hw.units.mac.mac_config import MacConfig

from .energy_accounting import FS_PER_NS, KINDS, Mapped, Parts, account
from .energy_parts import PARTS, find_parts, known_bits, rtl_wrapper

DECIMALS = 4


@dataclass(frozen=True)
class MappedUnit:
    """A unit after mapping: its ports, its RTL, the netlist as Yosys's JSON and as Verilog, and how it was made."""

    config: MacConfig
    ports: list[dict[str, Any]]
    rtl: str
    netlist_json: str
    netlist_verilog: str
    recipe: str


@dataclass(frozen=True)
class Measured:
    """The energy of a unit, and what it was computed from."""

    row: dict[str, Any]
    unit: MappedUnit
    netlist: Netlist
    waves: Waves


def map_unit(candidate: Candidate) -> MappedUnit:
    """A candidate as the energy flow takes it."""
    config, mapped = candidate.config, candidate.mapped
    return MappedUnit(
        check_unit(config),
        *(candidate.ports, candidate.verilog),
        *(mapped.netlist_json, mapped.netlist_verilog, mapped.recipe),
    )


def measure(unit: MappedUnit, library: Library, options: StreamOptions, clock_mhz: float) -> Measured:
    """The energy of a mapped unit in a stream.

    Raises `ParameterError` where it computes wrongly or too slowly, or has a cell without power tables.
    """
    config, name = unit.config, unit.config.slug
    mapped = _analysed_json(unit.netlist_json, name, library)
    _check_priced(mapped)
    if mapped.timing.min_period_ns > 1000 / clock_mhz:
        limit = 1000 / mapped.timing.min_period_ns
        raise ParameterError(f"clock_mhz must be at most {limit:.1f} for the netlist of {name}, not {clock_mhz:g}")
    beats = operands(config, options, options.cycles + WARM_UP_BEATS)
    driven = drive(config, unit.ports, beats)
    run = Run(mapped, driven, 1000 / clock_mhz, options.cycles)
    tool = simulator()
    waves, whole = run.netlist_waves(tool)
    outputs = {port: run.words(whole, port) for port, (way, _) in mapped.netlist.ports.items() if way == "output"}
    if not matches_golden(config, unit.ports, beats, driven.first_beat, outputs):
        raise ParameterError(f"netlist of {name} must compute what the golden model does, but its sums differ")
    parts = run.parts(unit, waves, tool)
    energies = account(mapped, waves, parts, run.state_times)
    macs = getattr(config, "lanes", 1) * getattr(config, "columns", 1)
    row = {"name": name, "recipe": unit.recipe, **config.form} | figures(mapped) | split(energies, options.cycles, macs)
    row["moving_pins_percent"] = _moving_percent(mapped, waves)
    row["named_cells_percent"] = round(parts.named_percent, 2)
    return Measured(row, unit, mapped.netlist, waves)


def analysed(netlist: Netlist, library: Library) -> Mapped:
    """A netlist with its cells, timing and supply voltage."""
    cells = load_cells(library, netlist.cell_names)
    return Mapped(netlist, cells, gates.wire_up(netlist, cells), analyse(netlist, cells), supply_voltage(library))


@lru_cache(32)  # the ways to build one design, which are measured with held and then with streaming weights
def _analysed_json(netlist_json: str, top: str, library: Library) -> Mapped:
    return analysed(Netlist.from_yosys_json(netlist_json, top), library)


def _check_priced(mapped: Mapped) -> None:
    """Raises `ParameterError` for a cell that moves and has no power tables: it would count as free."""
    for name in sorted(mapped.netlist.cell_names):
        cell = mapped.cells[name]
        if cell.inputs and not any(pin.powers for pin in cell.pins.values()):
            raise ParameterError(f"liberty must have power tables for cell {name}, which the netlist uses: it has none")


@cache
def supply_voltage(library: Library) -> float:
    """Volts, from ``nom_voltage`` of the library's first file."""
    voltage = read(library.paths[0]).number("nom_voltage")
    if not voltage > 0:
        raise ParameterError(f"liberty {library.name!r} must have a positive nom_voltage, not {voltage!r}")
    return voltage


class Run:
    """A stream through a netlist at a clock. Cycle k starts with the rising edge at (k + 1) periods."""

    def __init__(self, mapped: Mapped, driven: Drive, period_ns: float, cycles: int) -> None:
        self.mapped, self.driven = mapped, driven
        self.period = round(period_ns * FS_PER_NS)
        first = driven.first_beat + WARM_UP_BEATS + 1
        self.start, self.end = first * self.period - 1, (first + cycles) * self.period - 1
        self.settled: Times = np.arange(first + 1, first + cycles + 1) * self.period - 1
        self.state_times: Times = np.sort(np.concatenate([self.settled, self.settled - self.period // 2]))

    def netlist_waves(self, tool: str) -> tuple[Waves, Waves]:
        """Transitions in the measured cycles, and of all cycles after reset."""
        timing = self.mapped.timing
        delays = timing.delays_ns if tool == DELAYS else None
        netlist, cells, wiring = self.mapped.netlist, self.mapped.cells, self.mapped.wiring
        verilog = gates.to_verilog(netlist, cells, wiring, delays)
        nets = {net for pins in wiring.pins.values() for net in pins.values() if net > 1} | gates.port_nets(
            netlist
        ).keys()
        ports = {net for _, bits in netlist.ports.values() for net in bits if net > 1}
        with tempfile.TemporaryDirectory() as scratch:
            vcd = simulate(verilog + self._bench(), self._stimulus(), Path(scratch), tool)
        after_reset = (self.driven.first_beat + 1) * self.period - 1
        return vcd.waves(nets, self.start, self.end), vcd.waves(ports, after_reset, self._cycles_end())

    def words(self, waves: Waves, port: str) -> list[int]:
        """A port's value at the end of each cycle; 0 before the first beat."""
        cycles = np.arange(self.driven.first_beat, self.driven.cycles)
        values = [waves.value(net, (cycles + 2) * self.period - 1) for net in self.mapped.netlist.ports[port][1]]
        words = [sum(int(bit) << place for place, bit in enumerate(bits)) for bits in zip(*values, strict=True)]
        return [0] * self.driven.first_beat + words

    def parts(self, unit: MappedUnit, waves: Waves, tool: str) -> Parts:
        """Which part each cell belongs to, by a run of the RTL."""
        bench = rtl_wrapper(self.mapped.netlist, unit.rtl, unit.config.slug) + self._bench(depth=0)
        exact = unit.config.arithmetic == "exact"
        known = _rtl_bits(bench, tuple(self._stimulus()), tool, tuple(self.settled.tolist()), exact)
        return find_parts(self.mapped, waves, known, self.settled)

    def _cycles_end(self) -> int:
        return (self.driven.cycles + 1) * self.period

    def _inputs(self) -> list[tuple[str, int, int]]:
        """Port, bit and net of each input but the clock."""
        ports = self.mapped.netlist.ports.items()
        return [
            (name, i, net)
            for name, (way, bits) in ports
            if way == "input" and name != "clk"
            for i, net in enumerate(bits)
        ]

    def _bench(self, depth: int = 1) -> str:
        clock = self.mapped.netlist.ports["clk"][1][0]
        names = [f"n{net}" for _, _, net in self._inputs()]
        return gates.bench(names, f"n{clock}", self.period / 1000, self.driven.cycles, depth)

    def _stimulus(self) -> list[int]:
        words = [0] * self.driven.cycles
        for place, (name, bit, _) in enumerate(self._inputs()):
            for cycle, value in enumerate(self.driven.inputs[name]):
                words[cycle] |= (value >> bit & 1) << place
        return words


@lru_cache(32)  # one for all recipes by which the same RTL is mapped
def _rtl_bits(
    bench: str, stimulus: tuple[int, ...], tool: str, settled: tuple[int, ...], exact: bool
) -> dict[bytes, str]:
    """What the signals of the RTL settle to, and the part of each."""
    with tempfile.TemporaryDirectory() as scratch:
        rtl = simulate(bench, stimulus, Path(scratch), tool)
        return known_bits(rtl, np.array(settled), exact)


def figures(mapped: Mapped) -> dict[str, Any]:
    instances = mapped.netlist.instances.values()
    area = sum(mapped.cells[instance.cell].area_um2 for instance in instances)
    return {"cells": len(instances), "area_um2": round(area, 4), "min_period_ns": round(mapped.timing.min_period_ns, 5)}


def split(energies: dict[tuple[str, str], float], cycles: int, macs: float) -> dict[str, Any]:
    """Energies of the whole run as figures per cycle and per MAC; ``macs`` a cycle."""
    per_mac = {key: energy / cycles / macs for key, energy in energies.items()}
    kinds = {kind: sum(energy for (_, k), energy in per_mac.items() if k == kind) for kind in KINDS}
    parts = {part: sum(energy for (p, _), energy in per_mac.items() if p == part) for part in PARTS}
    total = sum(kinds.values())
    return {
        "energy_per_cycle_fj": round(total * macs, DECIMALS),
        "energy_per_mac_fj": round(total, DECIMALS),
        **{f"{kind}_per_mac_fj": round(energy, DECIMALS) for kind, energy in kinds.items()},
        "parts_per_mac_fj": {part: round(energy, DECIMALS) for part, energy in parts.items()},
    }


def _moving_percent(mapped: Mapped, waves: Waves) -> float:
    """Share of the cells' pins that moved while all were watched: a pin that is not in the dump raises."""
    nets = [net for pins in mapped.wiring.pins.values() for net in pins.values()]
    return round(100 * sum(net > 1 and waves.count(net) > 0 for net in nets) / len(nets), 2)
