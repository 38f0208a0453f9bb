"""Energy of a unit beside its exact and its bare baseline: of each the design point that takes least."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict, cast

from asm_hw.cache import content_key, kept
from asm_hw.emission.emit_folder import check_clock
from asm_hw.errors import check_range
from asm_hw.ppa.activity.gate_simulation import icarus, simulator
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.activity.port_stimulus import check_unit
from asm_hw.ppa.baselines.area_comparison import mapping_errors
from asm_hw.ppa.baselines.design_points import DesignPoint, design_points, plain_point
from asm_hw.ppa.baselines.point_selection import meeting_clock, ratio
from asm_hw.ppa.baselines.unit_baselines import baselines_of
from asm_hw.ppa.netlist.clock_limit import ClockError
from asm_hw.ppa.netlist.program_sources import sources_of
from asm_hw.ppa.technology.cell_library import Library, check_power, choose_library
from asm_hw.units.operands_config import AccumulatingConfig
from asm_hw.units.unit_config import DEFAULT_CLOCK_MHZ, UnitConfig
from asm_hw.worker_pools import in_processes

from .energy_figures import EnergyRow
from .unit_energy import MappedUnit, Measured, map_unit, measure, min_period_ns, total_per_mac_fj

Point = DesignPoint[AccumulatingConfig]

MAX_SEEDS = 99
FIRST_CYCLES = 100
FINALISTS = 3
"""Design points that are measured in the whole stream: those that take least in its first cycles."""
MAX_AREA_RATIO = 1.35
"""Design points larger than the smallest by more than this are not measured, to save time. Each row says how far the
one that takes least was from it (``area_over_smallest``), and a test holds the published ones to less."""


class EnergyComparison(TypedDict):
    """What ``asm-hw energy --json`` prints for a unit in an operand stream; ``rows`` by arithmetic."""

    library: str
    parameters: dict[str, Any]
    clock_mhz: float
    stream: dict[str, Any]
    activity: str
    wires: bool
    rows: dict[str, EnergyRow]
    plain_too_slow_ns: float | None
    tools: dict[str, str | None]


def compare_energy(
    config: UnitConfig,
    options: StreamOptions,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    liberty: str | None = None,
    technology: str | None = None,
    waves: bool = False,
    seeds: int = 1,
    wires: bool | None = None,
    tell: Callable[[str], object] = str,
) -> tuple[EnergyComparison, list[Measured]]:
    """The energy of ``config``, its exact baseline, the same by plain Yosys, and the bare one, in one stream.

    ``liberty``: see `asm_hw.ppa.technology.cell_library.user_library`; the compact table of ``technology`` (the first)
    if None; ``wires`` as in `choose_library`. The first result is plain JSON: a row each (``plain`` where it meets the
    clock, else its period is ``plain_too_slow_ns``), ratios to exact and bare, the stream and the tools; the second,
    with ``waves``, what the rows were computed from. A row is of the stream of ``options``; ``by_seed_fj`` has the
    energies of ``seeds`` streams, of whose means the ratios are. Raises `ParameterError` for what cannot be measured: a
    unit without a clock, a clock that a baseline cannot reach, a library without power tables. ``tell`` hears of each
    step.
    """
    unit = check_unit(config)
    check_clock(clock_mhz)
    check_range("seeds", seeds, 1, MAX_SEEDS)
    with tempfile.TemporaryDirectory() as scratch:
        library = choose_library(Path(scratch), technology, liberty, wires)
        check_power(library)
        with mapping_errors(liberty):
            chosen = {
                name: min_energy(one, library, options, clock_mhz, tell) for name, one in baselines_of(unit).items()
            }
        tell("plain Yosys")
        written = map_unit(plain_point(unit, library))
        period = min_period_ns(written, library)
        too_slow = period > 1000 / clock_mhz
        if not too_slow:
            chosen["plain"] = written, measured_row(written, library, options, clock_mhz)
        # Again, though the rows are there: the cache keeps no waves.
        measured = [measure(one, library, options, clock_mhz) for one, _ in chosen.values()] if waves else []
        rows = {name: with_seeds(one, row, library, options, clock_mhz, seeds) for name, (one, row) in chosen.items()}
    result: EnergyComparison = {
        "library": library.name,
        "parameters": config.parameters,
        "clock_mhz": clock_mhz,
        "stream": asdict(options),
        "activity": simulator(),
        "wires": library.wires is not None,
        "rows": _with_ratios(rows),
        "plain_too_slow_ns": period if too_slow else None,
        "tools": {**{name: version(name) for name in ("asm-hw", "pyosys", "numpy")}, "iverilog": icarus()},
    }
    return result, measured


def _with_ratios(rows: dict[str, EnergyRow]) -> dict[str, EnergyRow]:
    means = {name: fmean(row["by_seed_fj"]) for name, row in rows.items()}
    return {
        name: {
            **row,
            "energy_ratio_to_exact": ratio(means[name], means["exact"]),
            "energy_ratio_to_bare": ratio(means[name], means["bare"]),
        }
        for name, row in rows.items()
    }


def min_energy(
    config: AccumulatingConfig,
    library: Library,
    options: StreamOptions,
    clock_mhz: float,
    tell: Callable[[str], object] = str,
) -> tuple[MappedUnit, EnergyRow]:
    """Of all design points of a unit that meet the clock, the one that takes the least energy, and its row.

    ``tried`` has the energies of all in the first `FIRST_CYCLES` of the stream, without wires. Raises `ClockError`
    where none meets the clock.

    Rows are kept in the user's cache by the content of everything that they depend on.
    """
    tell(f"{config.arithmetic}, mapping")
    meeting = meeting_clock(design_points(config, library, clock_mhz), clock_mhz)
    # Pairs, the smallest exact ones, glitch most: in none of our designs did they come near the least energy.
    driven = [point for point in meeting if not point.config.left_out]
    smallest = min(point.mapped.area_um2 for point in driven)
    large = [point for point in driven if point.mapped.area_um2 > MAX_AREA_RATIO * smallest]
    points = [point for point in driven if point not in large]
    start = partial(
        total_per_mac_fj,
        library=replace(library, wires=None),
        options=replace(options, cycles=min(options.cycles, FIRST_CYCLES)),
        clock_mhz=clock_mhz,
    )
    tell(f"{config.arithmetic}, {len(points)} design points in {FIRST_CYCLES} cycles")
    first = list(in_processes(start, [map_unit(point) for point in points]))
    order = sorted(range(len(points)), key=first.__getitem__)
    tell(f"{config.arithmetic}, the best {FINALISTS} in {options.cycles} cycles")
    point, row = _least([points[index] for index in order], library, options, clock_mhz)
    return map_unit(point), {
        **row,
        "area_over_smallest": round(point.mapped.area_um2 / smallest, 3),
        "tried": [{**one.figures, "energy_per_mac_fj": energy} for one, energy in zip(points, first, strict=True)],
        "too_large": [one.figures for one in large],
    }


def _least(points: list[Point], library: Library, options: StreamOptions, clock_mhz: float) -> tuple[Point, EnergyRow]:
    """Of the first `FINALISTS` that meet the clock with their wires, the one that takes least."""
    measure_one = partial(_row_if_fast, library=library, options=options, clock_mhz=clock_mhz)
    for start in range(0, len(points), FINALISTS):
        finalists = points[start : start + FINALISTS]
        rows = in_processes(measure_one, [map_unit(point) for point in finalists])
        found = [(point, row) for point, row in zip(finalists, rows, strict=True) if row]
        if found:
            return min(found, key=lambda one: one[1]["energy_per_mac_fj"])
    raise ClockError(f"clock_mhz must be lower for {points[0].config.slug} with its wires than {clock_mhz:g}")


def _row_if_fast(unit: MappedUnit, library: Library, options: StreamOptions, clock_mhz: float) -> EnergyRow | None:
    with suppress(ClockError):
        return measured_row(unit, library, options, clock_mhz)
    return None


def with_seeds(
    unit: MappedUnit, row: EnergyRow, library: Library, options: StreamOptions, clock_mhz: float, seeds: int
) -> EnergyRow:
    """``row``, that of ``options``, with fJ per MAC (``by_seed_fj``) in it and in the streams of the next seeds."""
    further = [replace(options, seed=options.seed + i) for i in range(1, seeds)]
    rows = in_processes(partial(measured_row, unit, library, clock_mhz=clock_mhz), further)
    return {**row, "by_seed_fj": [one["energy_per_mac_fj"] for one in (row, *rows)]}


def measured_row(
    unit: MappedUnit, library: Library, options: StreamOptions, clock_mhz: float, tool: str | None = None
) -> EnergyRow:
    """The row of `measure`, from the user's cache if it is there."""
    # The simulator too: without Icarus a figure is a lower bound.
    settings = (unit.config, options, clock_mhz, library.wires, tool or simulator(), icarus(), version("numpy"))
    texts = [unit.netlist_json, unit.rtl, repr(settings), unit.recipe]
    # The component names the parts of its signals, which the RTL does not tell; the configuration says what it counts.
    programs = sources_of(measure.__module__, unit.component.__module__, type(unit.config).__module__)
    key = content_key(texts, [*library.paths, *programs])
    row = kept("energy", key, lambda: dict(measure(unit, library, options, clock_mhz, tool).row))
    return cast(EnergyRow, row)
