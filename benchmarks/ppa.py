"""Measures area, clock period and energy of dot products: docs/results/energy.json, docs/plots, a table of the docs.

    python benchmarks/ppa.py [--tables-only]

Designs are those of `ppa_designs.py`. Each is built in every structure, for each technology at one clock; area is that
of the smallest design point, energy that of the one that takes least, with held and with streaming weights each its
own, with the wires of a placement and without. Weights come decoded from a register outside the unit, for each design
alike. For the first technology there are also narrow weights, columns of 72 and 144 lanes, series over alphabets, bits
and lanes, and what is both smaller and faster.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import plots
from figures import RESULTS, provenance, write_block
from ppa_designs import (
    CLOCKS_MHZ,
    DESIGNS,
    FURTHER,
    LARGE,
    LARGE_STREAM,
    SEEDS,
    SERIES,
    SERIES_POINT,
    SERIES_STREAM,
    STREAM,
    STREAMS,
)
from ppa_table import energy_table, further_table

from asm_hw.ppa.activity.gate_simulation import DELAYS, simulator
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.baselines.design_points import (
    PointFigures,
    design_points,
    map_points,
    plain_point,
    points_for_speed,
)
from asm_hw.ppa.baselines.point_selection import frontier, smallest_with_wires
from asm_hw.ppa.energy.energy_comparison import measured_row, min_energy, with_seeds
from asm_hw.ppa.energy.energy_figures import EnergyRow
from asm_hw.ppa.energy.unit_energy import map_unit, min_period_ns
from asm_hw.ppa.technology.cell_library import Library, compact_library
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.worker_pools import in_processes

Row = dict[str, Any]


def measure_all() -> None:
    """Write docs/results/energy.json."""
    if simulator() != DELAYS:
        raise SystemExit(
            "Icarus Verilog must be installed for published energies: without it there are lower bounds alone"
        )
    result = provenance("python benchmarks/ppa.py") | {
        "stream": asdict(STREAM),
        "activity": simulator(),
        "seeds": SEEDS,
    }
    with tempfile.TemporaryDirectory() as scratch:
        libraries = {technology: compact_library(Path(scratch), technology, True) for technology in CLOCKS_MHZ}
        first = next(iter(CLOCKS_MHZ))
        # A design's RTL is emitted once for all technologies; the largest first, so that no process waits for them.
        everywhere = [(technology, name) for name in DESIGNS for technology in CLOCKS_MHZ]
        further = _printed(in_processes(partial(_row, libraries), [(first, name) for name in FURTHER]))
        rows = [*further, *_printed(in_processes(partial(_row, libraries), everywhere, len(CLOCKS_MHZ)))]
        order = list(DESIGNS | FURTHER)
        result["rows"] = sorted(
            rows, key=lambda row: (list(CLOCKS_MHZ).index(row["technology"]), order.index(row["design"]))
        )
        library, clock_mhz = libraries[first], CLOCKS_MHZ[first]
        alike = {row["design"]: row["held"] for row in result["rows"] if row["technology"] == first}
        large = in_processes(partial(_large_row, library, clock_mhz, alike), list(LARGE)[::-1])
        result["large"] = {"stream": asdict(LARGE_STREAM), "rows": list(_printed(large))[::-1]}
        series = {"technology": first, "clock_mhz": clock_mhz, **SERIES_POINT, "stream": asdict(SERIES_STREAM)}
        points = in_processes(partial(_point, library=library, clock_mhz=clock_mhz), _series())
        result["series"] = series | {"points": list(_printed(points))}
        single = [name for name, config in DESIGNS.items() if config.columns == 1]
        frontiers = in_processes(partial(_frontier, library=library), single)
        result["frontiers"] = {"technology": first, "designs": dict(zip(single, frontiers, strict=True))}
    (RESULTS / "energy.json").write_text(json.dumps(result, indent=1) + "\n")


def _printed(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        held = row.get("held", row)
        names = [row[name] for name in ("technology", "design", "varied", "line", "value") if name in row]
        print(*names, row["area_per_mac_um2"], held["energy_per_mac_fj"], flush=True)
        yield row


def _row(libraries: dict[str, Library], names: tuple[str, str]) -> Row:
    """One design in one technology, by name."""
    technology, design = names
    config, library, clock_mhz = (DESIGNS | FURTHER)[design], libraries[technology], CLOCKS_MHZ[technology]
    smallest, period_ns = smallest_with_wires(design_points(config, library, clock_mhz), clock_mhz, library)
    row = {"technology": technology, "clock_mhz": clock_mhz, "design": design}
    row |= {"area_per_mac_um2": _per_mac(smallest.mapped.area_um2, config), "smallest": smallest.figures}
    row["period_ns"] = period_ns
    row |= {stream.weights: _min_energy(config, library, stream, clock_mhz) for stream in STREAMS}
    bare = replace(library, wires=None)
    row["without_wires"] = {stream.weights: _min_energy(config, bare, stream, clock_mhz) for stream in STREAMS}
    if config.multiplies:
        row["plain"] = _plain(config, library, clock_mhz)
    return row


def _min_energy(config: DotConfig, library: Library, stream: StreamOptions, clock_mhz: float) -> EnergyRow:
    unit, row = min_energy(config, library, stream, clock_mhz)
    return with_seeds(unit, row, library, stream, clock_mhz, SEEDS)


def _plain(config: DotConfig, library: Library, clock_mhz: float) -> Row:
    """The unit as one would write it, by Yosys's own flow; energy only where it meets the clock."""
    written = plain_point(config, library)
    row: Row = {
        "area_per_mac_um2": _per_mac(written.mapped.area_um2, config),
        "delay_ns": written.mapped.delay_ns,
        "without_wires": {},
    }
    unit = map_unit(written)
    for kind, priced in ((row, library), (row["without_wires"], replace(library, wires=None))):
        if min_period_ns(unit, priced) <= 1000 / clock_mhz:
            for stream in STREAMS:
                measured = measured_row(unit, priced, stream, clock_mhz)
                kind[stream.weights] = with_seeds(unit, measured, priced, stream, clock_mhz, SEEDS)
    return row


def _large_row(library: Library, clock_mhz: float, alike: dict[str, EnergyRow], name: str) -> Row:
    """A column of many lanes: built as its like of 16 takes least, of two recipes the smaller, the other for energy."""
    built = alike[name.partition(",")[0]]
    config = replace(LARGE[name], structure=built["structure"], weight_form=built["weight_form"])
    small, balanced = map_points([(config, "area"), (config, "balanced")], library)
    row = {"design": name, "area_per_mac_um2": _per_mac(small.mapped.area_um2, config), "smallest": small.figures}
    bare = replace(library, wires=None)
    return row | {
        "held": measured_row(map_unit(balanced), library, LARGE_STREAM, clock_mhz),
        "without_wires": {"held": measured_row(map_unit(balanced), bare, LARGE_STREAM, clock_mhz)},
    }


def _per_mac(figure: float, config: DotConfig) -> float:
    return round(figure / config.lanes / config.columns, 3)


def _series() -> list[tuple[dict[str, str], DotConfig]]:
    """The points of all series and their names."""
    return [
        ({"varied": varied, "line": line, "value": value}, config)
        for varied, lines in SERIES.items()
        for line, designs in lines.items()
        for value, config in designs
    ]


def _point(named: tuple[dict[str, str], DotConfig], library: Library, clock_mhz: float) -> Row:
    names, config = named
    built = replace(config, structure=SERIES_POINT["structure"])
    [point] = map_points([(built, SERIES_POINT["recipe"])], library)
    row = measured_row(map_unit(point), library, SERIES_STREAM, clock_mhz)
    return names | {
        "delay_ns": row["min_period_ns"],
        "area_per_mac_um2": _per_mac(point.mapped.area_um2, config),
        "energy_per_mac_fj": row["energy_per_mac_fj"],
    }


def _frontier(design: str, library: Library) -> list[PointFigures]:
    """Area against clock period, without wires: what no other design point betters in both."""
    config = DESIGNS[design]
    points = design_points(config, library) + map_points(points_for_speed(config), library)
    return [point.figures for point in frontier(points)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the tables, from the JSON file")
    arguments = parser.parse_args()
    if not arguments.tables_only:
        measure_all()
    write_block("energy", energy_table(), "docs/area-and-energy.md")
    write_block("energy_further", further_table(), "docs/area-and-energy.md")
    plots.write_all()
