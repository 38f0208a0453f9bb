"""A unit in area beside its baselines (`baselines_of`) and the exact one as plain Yosys maps it (`plain_point`).

Every design point is tried for each, the best kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from asm_hw.errors import ParameterError
from asm_hw.ppa.netlist.yosys import YosysError
from asm_hw.ppa.technology.cell_library import Library, choose_library
from asm_hw.units.operands_config import DatapathConfig
from asm_hw.units.unit_config import UnitConfig

from .design_points import DesignPoint, PointFigures, design_points, plain_point
from .point_selection import ratio, smallest_meeting_clock, smallest_with_wires
from .unit_baselines import baselines_of, why_alone


class AreaRow(PointFigures):
    """The design point that counts for a unit, and the figures of all that were tried.

    ``period_ns``: the shortest clock period, with wires where the comparison has them; ratios of delay are of it.
    """

    name: str
    timing: str
    histogram: dict[str, int]
    tool: str
    tried: list[PointFigures]
    period_ns: float
    meets_clock: NotRequired[bool]
    area_ratio_to_exact: NotRequired[float | None]
    delay_ratio_to_exact: NotRequired[float | None]
    area_ratio_to_bare: NotRequired[float | None]
    delay_ratio_to_bare: NotRequired[float | None]


class AreaComparison(TypedDict):
    """What ``asm-hw synth --json`` prints. ``rows`` by arithmetic; ``memories``: what is left out, by name."""

    library: str
    parameters: dict[str, Any]
    clock_mhz: float | None
    wires: bool
    memories: dict[str, dict[str, int]]
    why_alone: str | None
    rows: dict[str, AreaRow]
    tools: dict[str, str]


def compare_area(
    config: UnitConfig,
    liberty: str | None = None,
    technology: str | None = None,
    clock_mhz: float | None = None,
    thorough: bool = True,
    wires: bool | None = False,
    tell: Callable[[str], object] = str,
) -> AreaComparison:
    """Area and delay of a unit, its exact and bare baselines, and the exact one by plain Yosys.

    Memories are left out: their connections count as ports, their access times are in no delay. ``memories`` in the
    result says what they are; ``why_alone`` why there is no exact baseline.
    Each row is the smallest of the `design_points` that meets the clock; `ParameterError` if none does. With ``wires``
    (`choose_library`; units with a memory have none) it meets the clock with those of a placement. ``tell`` hears of
    each row before it is mapped.
    ``liberty``: see `asm_hw.ppa.technology.cell_library.user_library`; the compact table of ``technology`` (the first)
    if None. The result is plain JSON: a row each with the figures of all design points, and the ratios of area and
    delay to exact and bare.
    """
    with tempfile.TemporaryDirectory() as scratch, mapping_errors(liberty):
        library = choose_library(Path(scratch), technology, liberty, wires)
        if config.memories or config.mapped_once:
            library = replace(library, wires=None)
        rows = _rows(config, library, clock_mhz, thorough, tell)
    for row in rows.values():
        _add_ratios(row, rows)
    return {
        "library": library.name,
        "parameters": config.parameters,
        "clock_mhz": clock_mhz,
        "wires": library.wires is not None,
        "memories": {name: asdict(memory) for name, memory in config.memories.items()},
        "why_alone": why_alone(config),
        "rows": rows,
        "tools": {"pyosys": version("pyosys")},
    }


def _rows(
    config: UnitConfig, library: Library, clock_mhz: float | None, thorough: bool, tell: Callable[[str], object]
) -> dict[str, AreaRow]:
    rows = {}
    for name, unit in baselines_of(config).items():
        tell(name)
        rows[name] = _row(design_points(unit, library, clock_mhz, thorough), library, clock_mhz)
    if thorough and "exact" in rows and isinstance(config, DatapathConfig) and not config.mapped_once:
        tell("plain Yosys")
        rows["plain"] = _row([plain_point(config, library)], library, None)  # whether it meets the clock or not
    if clock_mhz:
        for row in rows.values():
            row["meets_clock"] = row["period_ns"] <= 1000 / clock_mhz
    return rows


def _row(tried: list[DesignPoint[Any]], library: Library, clock_mhz: float | None) -> AreaRow:
    if library.wires:
        chosen, period = smallest_with_wires(tried, clock_mhz, library)
    else:
        chosen = smallest_meeting_clock(tried, clock_mhz)
        period = chosen.mapped.delay_ns
    mapped = chosen.mapped
    return {
        "name": chosen.config.slug,
        **chosen.figures,
        "timing": mapped.timing,
        "histogram": mapped.histogram,
        "tool": mapped.tool,
        "tried": [point.figures for point in tried],
        "period_ns": period,
    }


def _add_ratios(row: AreaRow, rows: dict[str, AreaRow]) -> None:
    if exact := rows.get("exact"):
        row["area_ratio_to_exact"] = ratio(row["area_um2"], exact["area_um2"])
        row["delay_ratio_to_exact"] = ratio(row["period_ns"], exact["period_ns"])
    if bare := rows.get("bare"):
        row["area_ratio_to_bare"] = ratio(row["area_um2"], bare["area_um2"])
        row["delay_ratio_to_bare"] = ratio(row["period_ns"], bare["period_ns"])


@contextmanager
def mapping_errors(liberty: str | None) -> Iterator[None]:
    """Where Yosys fails on a user's library, that is bad input."""
    try:
        yield
    except YosysError as error:
        if liberty is None:
            raise
        # Yosys ends its log with what went wrong.
        reason = str(error).strip().splitlines()[-1]
        raise ParameterError(f"liberty {liberty!r} must be a library that Yosys can map onto: {reason}") from None
