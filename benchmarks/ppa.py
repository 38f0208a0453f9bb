"""Measures area, clock period and energy of dot products: docs/results/energy.json, docs/plots, a table of the docs.

    python benchmarks/ppa.py [--tables-only]

Every design is built in every structure, for each technology at one clock; area is that of the smallest design point,
energy that of the one that takes least, with held and with streaming weights each its own. Weights come
decoded from a register outside the unit, for each design alike: Booth digits for exact ones, one-hot
shifts for {1}. For the first technology there are also series over alphabets, bits and lanes, and what is
both smaller and faster.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import plots
from figures import RESULTS, provenance, write_block

from asm_hw.numbers.alphabets import MAX_ALPHABET
from asm_hw.ppa.activity.gate_simulation import DELAYS, simulator
from asm_hw.ppa.activity.operand_streams import WEIGHTS, StreamOptions
from asm_hw.ppa.baselines.design_points import PointFigures, design_points, map_points, plain_point, points_for_speed
from asm_hw.ppa.baselines.point_selection import frontier, smallest_meeting_clock
from asm_hw.ppa.energy.energy_comparison import measured_row, min_energy, with_seeds
from asm_hw.ppa.energy.energy_figures import EnergyRow
from asm_hw.ppa.energy.unit_energy import map_unit
from asm_hw.ppa.technology.cell_library import Library, compact_library
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.worker_pools import in_processes

CLOCKS_MHZ = {"sg13g2": 100.0, "sky130hd": 100.0, "asap7": 600.0}
STREAM = StreamOptions(stream="half_normal", cycles=300)
SEEDS = 3
"""Streams of a figure, which is their mean; the design point is chosen in the first."""
STREAMS = tuple(replace(STREAM, weights=weights) for weights in WEIGHTS)
SERIES_STREAM = replace(STREAM, cycles=150)
ALL = tuple(range(1, MAX_ALPHABET + 1, 2))


def _dot(**parameters: Any) -> DotConfig:
    common = {"lanes": 16, "act_bits": 8, "acc_bits": 24, "weight_code": "decoded", "weight_registers": False}
    return DotConfig(**{**common, **parameters})


def _exact(bits: int, **parameters: Any) -> DotConfig:
    return _dot(arithmetic="exact", weight_bits=bits, **parameters)


DESIGNS = {
    "exact W=4": _exact(4),
    "exact W=5": _exact(5),
    "exact W=8": _exact(8),
    "{1} W=5": _dot(alphabets=(1,), weight_bits=5),
    "{1,3} W=5": _dot(alphabets=(1, 3), weight_bits=5),
    "{1,3} W=5, 4 columns on one bank": _dot(alphabets=(1, 3), weight_bits=5, columns=4),
    "W=8 shifted by an activation on {1}, A=4": _exact(8, act_bits=4, act_alphabets=(1,)),
    "bare": _dot(arithmetic="bare"),
}

RATIOS = (
    *(("{1} W=5", other) for other in ("exact W=4", "exact W=5", "exact W=8", "bare")),
    *(("{1,3} W=5, 4 columns on one bank", other) for other in ("exact W=4", "exact W=5", "exact W=8")),
)
"""Rows of the table that say how designs compare."""

_BOOTH = {"weight_form": "booth"}
SERIES: dict[str, dict[str, list[tuple[str, DotConfig]]]] = {
    "alphabets": {
        f"W={bits}": [(str(len(a)), _dot(alphabets=a, weight_bits=bits)) for a in ((1,), (1, 3), (1, 3, 5, 7), ALL)]
        for bits in (5, 8)
    },
    "weight bits": {
        "{1}": [(str(bits), _dot(alphabets=(1,), weight_bits=bits)) for bits in range(3, 9)],
        "{1,3}": [(str(bits), _dot(alphabets=(1, 3), weight_bits=bits)) for bits in range(3, 9)],
        "exact": [(str(bits), _exact(bits, **_BOOTH)) for bits in range(3, 9)],
    },
    "lanes": {
        "{1} W=5": [(str(lanes), _dot(alphabets=(1,), weight_bits=5, lanes=lanes)) for lanes in (4, 8, 16, 32)],
        "exact W=5": [(str(lanes), _exact(5, lanes=lanes, **_BOOTH)) for lanes in (4, 8, 16, 32)],
        "bare": [(str(lanes), _dot(arithmetic="bare", lanes=lanes)) for lanes in (4, 8, 16, 32)],
    },
}
"""Designs of the plots, by what varies and by line: each built in one way, ``SERIES_POINT``."""
SERIES_POINT = {"structure": "greedy", "recipe": "balanced"}


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
        libraries = {technology: compact_library(Path(scratch), technology) for technology in CLOCKS_MHZ}
        # The largest first, so that no process waits for it; a design's RTL is emitted once for all technologies.
        names = sorted(DESIGNS, key=lambda name: -DESIGNS[name].columns)
        named = [(technology, name) for name in names for technology in CLOCKS_MHZ]
        rows = _printed(in_processes(partial(_row, libraries), named, len(CLOCKS_MHZ)))
        published = [(technology, name) for technology in CLOCKS_MHZ for name in DESIGNS]
        result["rows"] = sorted(rows, key=lambda row: published.index((row["technology"], row["design"])))
        technology, clock_mhz = next(iter(CLOCKS_MHZ.items()))
        library = libraries[technology]
        series = {"technology": technology, "clock_mhz": clock_mhz, **SERIES_POINT, "stream": asdict(SERIES_STREAM)}
        points = in_processes(partial(_point, library=library, clock_mhz=clock_mhz), _series())
        result["series"] = series | {"points": list(_printed(points))}
        single = [name for name, config in DESIGNS.items() if config.columns == 1]
        frontiers = in_processes(partial(_frontier, library=library), single)
        result["frontiers"] = {"technology": technology, "designs": dict(zip(single, frontiers, strict=True))}
    (RESULTS / "energy.json").write_text(json.dumps(result, indent=1) + "\n")


def _printed(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        held = row.get("held", row)
        names = [row[name] for name in ("technology", "design", "varied", "line", "value") if name in row]
        print(*names, row["area_per_mac_um2"], held["energy_per_mac_fj"], flush=True)
        yield row


def _row(libraries: dict[str, Library], names: tuple[str, str]) -> dict[str, Any]:
    """One design in one technology, by name."""
    technology, design = names
    config, library, clock_mhz = DESIGNS[design], libraries[technology], CLOCKS_MHZ[technology]
    smallest = smallest_meeting_clock(design_points(config, library, clock_mhz), clock_mhz)
    energies = {stream.weights: _min_energy(config, library, stream, clock_mhz) for stream in STREAMS}
    row = {"technology": technology, "clock_mhz": clock_mhz, "design": design}
    row |= {"area_per_mac_um2": _per_mac(smallest.mapped.area_um2, config), "smallest": smallest.figures}
    row |= energies
    if config.multiplies:
        row["plain"] = _plain(config, library, clock_mhz)
    return row


def _min_energy(config: DotConfig, library: Library, stream: StreamOptions, clock_mhz: float) -> EnergyRow:
    unit, row = min_energy(config, library, stream, clock_mhz)
    return with_seeds(unit, row, library, stream, clock_mhz, SEEDS)


def _plain(config: DotConfig, library: Library, clock_mhz: float) -> dict[str, Any]:
    """The unit as one would write it, by Yosys's own flow; energy only where it meets the clock."""
    written = plain_point(config, library)
    area, delay = _per_mac(written.mapped.area_um2, config), written.mapped.delay_ns
    row: dict[str, Any] = {"area_per_mac_um2": area, "delay_ns": delay}
    if not written.meets(clock_mhz):
        return row
    unit = map_unit(written)
    for stream in STREAMS:
        measured = measured_row(unit, library, stream, clock_mhz)
        row[stream.weights] = with_seeds(unit, measured, library, stream, clock_mhz, SEEDS)
    return row


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


def _point(named: tuple[dict[str, str], DotConfig], library: Library, clock_mhz: float) -> dict[str, Any]:
    names, config = named
    built = replace(config, structure=SERIES_POINT["structure"])
    [point] = map_points([(built, SERIES_POINT["recipe"])], library)
    row = measured_row(map_unit(point), library, SERIES_STREAM, clock_mhz)
    return names | {
        "delay_ns": point.mapped.delay_ns,
        "area_per_mac_um2": _per_mac(point.mapped.area_um2, config),
        "energy_per_mac_fj": row["energy_per_mac_fj"],
    }


def _frontier(design: str, library: Library) -> list[PointFigures]:
    """Area against clock period of a design: what no other design point betters in both."""
    config = DESIGNS[design]
    points = design_points(config, library) + map_points(points_for_speed(config), library)
    return [point.figures for point in frontier(points)]


def energy_table() -> str:
    """The rows as Markdown."""
    rows = json.loads((RESULTS / "energy.json").read_text())["rows"]
    columns = {row["technology"]: f"{row['technology']}, {row['clock_mhz']:g} MHz" for row in rows}
    lines = ["| 16 lanes, 24-bit accumulator, per MAC | " + " | ".join(columns.values()) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for design in DESIGNS:
        found = [row for row in rows if row["design"] == design]
        lines.append(f"| {design} | {' | '.join(_cell(row) for row in found)} |")
        if "plain" in found[0]:
            lines.append(f"| {design}, plain Yosys | {' | '.join(_cell(row['plain']) for row in found)} |")
    for design, other in RATIOS:
        pairs = [tuple(_figures(row) for row in rows if row["design"] == name) for name in (design, other)]
        cells = [" / ".join(f"{x / y:.2f}" for x, y in zip(*pair, strict=True)) for pair in zip(*pairs, strict=True)]
        lines.append(f"| **{design}** over {other} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _spread_of_seeds(rows)])


def _spread_of_seeds(rows: list[dict[str, Any]]) -> str:
    found = [
        one[kind]["by_seed_fj"]
        for row in rows
        for one in (row, row.get("plain", {}))
        for kind in WEIGHTS
        if kind in one
    ]
    worst = max(max(abs(fj / fmean(energies) - 1) for fj in energies) for energies in found)
    return f"Energies are means of {len(found[0])} streams; a single stream is off by {100 * worst:.1f} % at most."


def _figures(row: dict[str, Any]) -> list[float]:
    """Area, fJ with held and with streaming weights; what was not measured is left out."""
    energies = [fmean(row[kind]["by_seed_fj"]) for kind in WEIGHTS if kind in row]
    return [row["area_per_mac_um2"], *energies]


def _cell(row: dict[str, Any]) -> str:
    digits = 1 if row["area_per_mac_um2"] < 100 else 0
    figures = [f"{figure:.{digits}f}" for figure in _figures(row)]
    return " / ".join([*figures, "too slow"] if len(figures) == 1 else figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    arguments = parser.parse_args()
    if not arguments.tables_only:
        measure_all()
    write_block("energy", energy_table(), "docs/area-and-energy.md")
    plots.write_all()
