"""Energy of a mapped unit in an operand stream: timed, simulated, accounted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from amaranth.lib import wiring

from asm_hw.errors import ParameterError
from asm_hw.ppa.activity.gate_simulation import simulator
from asm_hw.ppa.activity.operand_streams import StreamOptions, operands
from asm_hw.ppa.activity.port_stimulus import WARM_UP_BEATS, Outputs, Ports, check_unit, matches_golden, stimulus
from asm_hw.ppa.activity.vcd_file import Waves
from asm_hw.ppa.baselines.design_points import DesignPoint, form_of
from asm_hw.ppa.netlist.clock_limit import check_clock_limit
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.units.operands_config import AccumulatingConfig
from asm_hw.units.registry import unit_of

from .energy_accounting import Mapped, Parts, account
from .energy_figures import DECIMALS, EnergyRow, energy_figures, netlist_figures
from .stream_run import Rtl, Run, analysed, moving_percent


@dataclass(frozen=True)
class MappedUnit:
    """A unit after mapping: its ports, its RTL, the netlist as Yosys's JSON and as Verilog, and how it was made."""

    config: AccumulatingConfig
    ports: Ports
    rtl: str
    netlist_json: str
    netlist_verilog: str
    recipe: str

    @property
    def component(self) -> Callable[[Any], wiring.Component]:
        """What makes the unit's component of its configuration."""
        return unit_of(self.config).load("component")


@dataclass(frozen=True)
class Measured:
    """The energy of a unit, and what it was computed from."""

    row: EnergyRow
    unit: MappedUnit
    mapped: Mapped
    waves: Waves


def map_unit(point: DesignPoint[Any]) -> MappedUnit:
    """A design point as the energy flow takes it."""
    mapped = point.mapped
    netlist = mapped.netlist_json, mapped.netlist_verilog
    return MappedUnit(check_unit(point.config), point.ports, point.verilog, *netlist, mapped.recipe)


def measure(
    unit: MappedUnit, library: Library, options: StreamOptions, clock_mhz: float, tool: str | None = None
) -> Measured:
    """The energy of a mapped unit in a stream, simulated by ``tool``, the `simulator` of this machine if None.

    Raises `ParameterError` where it computes wrongly or has a cell without power tables, `ClockError` where it is too
    slow.
    """
    config, name = unit.config, unit.config.slug
    tool = tool or simulator()
    run, waves = _checked_run(unit, library, options, clock_mhz, tool)
    mapped = run.mapped
    parts = run.parts(Rtl(unit.rtl, config, unit.component), waves, tool)
    columns, lanes = config.array_shape
    energies = account(mapped, waves, parts, run.state_times)
    row: EnergyRow = {
        "name": name,
        "recipe": unit.recipe,
        **form_of(config),
        **netlist_figures(mapped),
        **energy_figures(energies, options.cycles, lanes * columns),
        "moving_pins_percent": moving_percent(mapped, waves),
        "named_cells_percent": round(parts.named_percent, 2),
    }
    return Measured(row, unit, mapped, waves)


def min_period_ns(unit: MappedUnit, library: Library) -> float:
    """The shortest clock period of a mapped unit."""
    return _analysed_json(unit.netlist_json, unit.config.slug, library).timing.min_period_ns


def total_per_mac_fj(unit: MappedUnit, library: Library, options: StreamOptions, clock_mhz: float) -> float:
    """What `measure` gives as the energy of a MAC, without telling parts apart, which takes a run of the RTL."""
    run, waves = _checked_run(unit, library, options, clock_mhz, simulator())
    netlist = run.mapped.netlist
    inputs = {net: "other" for direction, bits in netlist.ports.values() if direction == "input" for net in bits}
    energies = account(run.mapped, waves, Parts(dict.fromkeys(netlist.instances, "other"), inputs), run.state_times)
    columns, lanes = unit.config.array_shape
    return round(sum(energies.values()) / options.cycles / lanes / columns, DECIMALS)


def _checked_run(
    unit: MappedUnit, library: Library, options: StreamOptions, clock_mhz: float, tool: str
) -> tuple[Run, Waves]:
    """The unit in the stream, and the transitions of its nets, once its sums are found to be the golden model's."""
    config, name = unit.config, unit.config.slug
    mapped = _analysed_json(unit.netlist_json, name, library)
    _check_priced(mapped)
    check_clock_limit(mapped.timing.min_period_ns, clock_mhz, f"the netlist of {name}")
    beats = operands(config, options, options.cycles + WARM_UP_BEATS)
    driven = stimulus(config, unit.ports, beats)
    run = Run(mapped, driven, 1000 / clock_mhz, options.cycles)
    waves, whole = run.netlist_waves(tool)
    outputs = [port for port, (direction, _) in mapped.netlist.ports.items() if direction == "output"]
    words = {port: run.words(whole, port) for port in outputs}
    if not matches_golden(config, beats, Outputs(words, driven.first_beat)):
        raise ParameterError(f"netlist of {name} must compute what the golden model does, but its sums differ")
    return run, waves


@lru_cache(32)  # the design points of one unit, which are measured with held and then with streaming weights
def _analysed_json(netlist_json: str, top: str, library: Library) -> Mapped:
    return analysed(Netlist.from_yosys_json(netlist_json, top), library)


def _check_priced(mapped: Mapped) -> None:
    """Raises `ParameterError` for a cell that moves and has no power tables: it would count as free."""
    for name in sorted(mapped.netlist.cell_names):
        cell = mapped.cells[name]
        # A tie cell has no inputs and does not move.
        if cell.inputs and not any(pin.powers for pin in cell.pins.values()):
            raise ParameterError(f"liberty must have power tables for cell {name}, which the netlist uses: it has none")
