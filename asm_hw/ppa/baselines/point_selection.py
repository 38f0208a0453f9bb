"""Which of the design points of a unit counts: by the clock that they meet, by area and delay."""

from __future__ import annotations

from typing import TypeVar

from asm_hw.ppa.layout.wire_loads import with_wires
from asm_hw.ppa.netlist.clock_limit import ClockError, check_clock_limit
from asm_hw.ppa.netlist.mapped_netlist import Netlist
from asm_hw.ppa.netlist.static_timing import analyse
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.units.unit_config import UnitConfig

from .design_points import DesignPoint

C = TypeVar("C", bound=UnitConfig)


def meeting_clock(points: list[DesignPoint[C]], clock_mhz: float | None) -> list[DesignPoint[C]]:
    """Those of ``points`` that meet the clock. Raises `ParameterError` if none does."""
    if clock_mhz is not None:
        fastest = min(points, key=lambda point: point.mapped.delay_ns)
        check_clock_limit(fastest.mapped.delay_ns, clock_mhz, fastest.config.slug)
    return [point for point in points if point.meets(clock_mhz)]


def smallest_meeting_clock(points: list[DesignPoint[C]], clock_mhz: float | None) -> DesignPoint[C]:
    """The smallest that meets the clock, of equal ones the fastest. Raises `ParameterError` if none does."""
    return min(meeting_clock(points, clock_mhz), key=_area_and_delay)


def smallest_with_wires(
    points: list[DesignPoint[C]], clock_mhz: float | None, library: Library
) -> tuple[DesignPoint[C], float]:
    """The smallest whose netlist meets the clock with its wires, and its shortest clock period with them, ns.

    Raises `ClockError` if none does.
    """
    meeting = sorted(meeting_clock(points, clock_mhz), key=_area_and_delay)
    for point in meeting:
        period = period_with_wires_ns(point, library)
        if clock_mhz is None or period <= 1000 / clock_mhz:
            return point, period
    raise ClockError(f"clock_mhz must be lower for {meeting[0].config.slug} with its wires than {clock_mhz:g}")


def period_with_wires_ns(point: DesignPoint[C], library: Library) -> float:
    """The shortest clock period of a point, placed alone, with what the wires of ``library`` load."""
    assert library.wires is not None
    netlist = Netlist.from_yosys_json(point.mapped.netlist_json, point.config.slug)
    cells = load_cells(library, netlist.cell_names)
    return analyse(with_wires(netlist, cells, library.wires), cells).min_period_ns


def frontier(points: list[DesignPoint[C]]) -> list[DesignPoint[C]]:
    """Those of ``points`` than which none is both smaller and faster (Pareto), from the smallest to the fastest."""
    best: list[DesignPoint[C]] = []
    # From small to large, a point counts if it is faster than every smaller one.
    for point in sorted(points, key=_area_and_delay):
        if not best or point.mapped.delay_ns < best[-1].mapped.delay_ns:
            best.append(point)
    return best


def _area_and_delay(point: DesignPoint[C]) -> tuple[float, float]:
    return point.mapped.area_um2, point.mapped.delay_ns


def ratio(value: float, reference: float) -> float | None:
    """``value / reference``, None for a reference of 0."""
    return round(value / reference, 4) if reference else None
