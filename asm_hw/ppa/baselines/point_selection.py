"""Which of the design points of a unit counts: by the clock that they meet, by area and delay."""

from __future__ import annotations

from typing import TypeVar

from asm_hw.ppa.netlist.clock_limit import check_clock_limit
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
