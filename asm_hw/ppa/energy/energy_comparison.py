"""Energy of a unit beside its exact twin and the bare accumulator: for each the way of building it that takes least."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import cache, partial
from importlib.metadata import version
from multiprocessing import get_context, parent_process
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from asm_hw.cache import content_key, kept
from asm_hw.emission.emit_folder import check_clock
from asm_hw.errors import check_range
from asm_hw.ppa.activity.gate_simulation import icarus, simulator
from asm_hw.ppa.activity.operand_streams import StreamOptions, check_unit
from asm_hw.ppa.baselines.area_comparison import (
    baselines_of,
    candidates,
    mapping_errors,
    meeting_clock,
    meets,
    plain,
    ratio,
)
from asm_hw.ppa.technology.cell_library import Library, check_power, choose_library
from asm_hw.units.mac.mac_config import MacConfig

from .unit_energy import MappedUnit, Measured, map_unit, measure

S = TypeVar("S")
T = TypeVar("T")

MAX_SEEDS = 99
LARGEST = 1.35
"""Ways larger than the smallest by more than this are not measured, to save time. Each row says how far the way that
takes least was from it (``area_over_smallest``), and a test holds the published ones to less."""
_PROGRAMS = (
    "accounting.py", "activity.py", "celltypes.py", "clocking.py", "drive.py", "energy.py", "expression.py", "gates.py",
    "liberty.py", "model.py", "netlist.py", "operands.json", "parts.py", "streams.py", "timing.py", "vcd.py",
)  # fmt: skip
"""What makes a row of a netlist."""


def compare(
    config: Any,
    options: StreamOptions,
    clock_mhz: float = 100.0,
    liberty: str | None = None,
    technology: str | None = None,
    waves: bool = False,
    seeds: int = 1,
) -> tuple[dict[str, Any], list[Measured]]:
    """The energy of ``config``, its exact twin, the same by plain Yosys, and the bare accumulator, in one stream.

    ``liberty``: see `asm_hw.ppa.technology.cell_library.user_library`; the compact table of ``technology`` (the first) if None. The first
    result is plain JSON: a row each (``plain`` where it meets the clock, else its period is
    ``plain_too_slow_ns``), ratios to exact and bare, the stream and the tools; the second, with ``waves``, what
    the baselines' rows were computed from. A row is of the stream of ``options``; ``by_seed_fj`` has the energies
    of ``seeds`` streams, of whose means the ratios are. Raises `ParameterError` for what cannot be measured: a unit
    without a clock, a clock that a contender cannot reach, a library without power tables.
    """
    config = check_unit(config)
    check_clock(clock_mhz)
    check_range("seeds", seeds, 1, MAX_SEEDS)
    with tempfile.TemporaryDirectory() as scratch:
        library = choose_library(Path(scratch), technology, liberty)
        check_power(library)
        units = {name: check_unit(unit) for name, unit in baselines_of(config).items()}
        chosen = mapping_errors(
            lambda: {name: min_energy(unit, library, options, clock_mhz) for name, unit in units.items()}, liberty
        )
        written = plain(config, library)
        too_slow = None if meets(written, clock_mhz) else written.mapped.delay_ns
        if too_slow is None:
            unit = map_unit(written)
            chosen["plain"] = unit, measured_row(unit, library, options, clock_mhz)
        measured = [measure(unit, library, options, clock_mhz) for unit, _ in chosen.values() if waves]
        rows = {name: with_seeds(unit, row, library, options, clock_mhz, seeds) for name, (unit, row) in chosen.items()}
    for row in rows.values():
        for other in ("exact", "bare"):
            means = [fmean(one["by_seed_fj"]) for one in (row, rows[other])]
            row[f"energy_ratio_to_{other}"] = ratio(*means)
    result = {
        "library": library.name,
        "parameters": config.parameters,
        "clock_mhz": clock_mhz,
        "stream": asdict(options),
        "activity": simulator(),
        "rows": rows,
        "plain_too_slow_ns": too_slow,
        "tools": {name: version(name) for name in ("asm-hw", "pyosys", "numpy")} | {"iverilog": icarus()},
    }
    return result, measured


def min_energy(
    config: MacConfig, library: Library, options: StreamOptions, clock_mhz: float
) -> tuple[MappedUnit, dict[str, Any]]:
    """Of all ways to build a unit that meet the clock, the one that takes the least energy, and its row.

    Rows are kept in the user's cache by the content of everything that they depend on.
    """
    meeting = meeting_clock(candidates(config, library, clock_mhz), clock_mhz)
    smallest = min(way.mapped.area_um2 for way in meeting)
    large = [way for way in meeting if way.mapped.area_um2 > LARGEST * smallest]
    ways = [way for way in meeting if way not in large]
    units = [map_unit(way) for way in ways]
    measure_at = partial(measured_row, library=library, options=options, clock_mhz=clock_mhz)
    rows = list(spread(measure_at, units))
    way, unit, row = min(zip(ways, units, rows, strict=True), key=lambda one: one[2]["energy_per_mac_fj"])
    energies = [{"energy_per_mac_fj": one["energy_per_mac_fj"]} for one in rows]
    tried = [way.figures | energy for way, energy in zip(ways, energies, strict=True)]
    above = round(way.mapped.area_um2 / smallest, 3)
    return unit, row | {"area_over_smallest": above, "tried": tried, "too_large": [way.figures for way in large]}


def with_seeds(
    unit: MappedUnit, row: dict[str, Any], library: Library, options: StreamOptions, clock_mhz: float, seeds: int
) -> dict[str, Any]:
    """``row``, that of ``options``, with fJ per MAC (``by_seed_fj``) in it and in the streams of the next seeds."""
    further = [replace(options, seed=options.seed + i) for i in range(1, seeds)]
    rows = spread(partial(measured_row, unit, library, clock_mhz=clock_mhz), further)
    return row | {"by_seed_fj": [one["energy_per_mac_fj"] for one in (row, *rows)]}


def spread(function: Callable[[S], T], items: Iterable[S], together: int = 1) -> Iterator[T]:
    """``function`` of each item, in order, by two processes, ``together`` items by one; within one of them, by itself.

    A script that measures needs an ``if __name__ == "__main__"``: the processes import it.
    """
    return map(function, items) if parent_process() else _processes().map(function, items, chunksize=together)


@cache
def _processes() -> ProcessPoolExecutor:
    """Started once, since each loads PyTorch; not by fork, which threads do not survive."""
    return ProcessPoolExecutor(2, get_context("spawn"))


def measured_row(unit: MappedUnit, library: Library, options: StreamOptions, clock_mhz: float) -> dict[str, Any]:
    """The row of `measure`, from the user's cache if it is there."""
    settings = (unit.config, options, clock_mhz, simulator(), icarus(), version("numpy"))
    texts = [unit.netlist_json, unit.rtl, repr(settings), unit.recipe]
    key = content_key(texts, [*library.paths, *(Path(__file__).parent / name for name in _PROGRAMS)])
    return kept("energy", key, lambda: measure(unit, library, options, clock_mhz).row)
