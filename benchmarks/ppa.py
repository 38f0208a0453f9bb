"""Measures area, clock period and energy of 16-lane dot products: docs/results/energy.json and the README's table.

    python benchmarks/ppa.py [--technology NAME ...] [--tables-only]

Every design is built in every structure, for each technology at one clock; area is that of the smallest,
energy that of the one that takes least with held weights. Weights come decoded from a register outside
the unit, for each contender alike: Booth digits for exact ones, one-hot shifts for {1}.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from figures import RESULTS, provenance, write_block

from asm_hw.config import DotConfig
from asm_hw.ppa.activity import simulator
from asm_hw.ppa.cells import compact_library
from asm_hw.ppa.contenders import candidates, choose, plain
from asm_hw.ppa.energy import least_energy, measured_row
from asm_hw.ppa.streams import StreamOptions

CLOCKS_MHZ = {"sg13g2": 100.0, "sky130hd": 100.0, "asap7": 600.0}
STREAM = StreamOptions(stream="half_normal", cycles=300)
LANES = 16


def _dot(**parameters: Any) -> DotConfig:
    return DotConfig(lanes=LANES, act_bits=8, acc_bits=24, weight_code="decoded", weight_registers=False, **parameters)


DESIGNS = {
    "exact W=4": _dot(arithmetic="exact", weight_bits=4),
    "exact W=5": _dot(arithmetic="exact", weight_bits=5),
    "exact W=8": _dot(arithmetic="exact", weight_bits=8),
    "{1} W=5": _dot(alphabets=(1,), weight_bits=5),
    "{1,3} W=5": _dot(alphabets=(1, 3), weight_bits=5),
    "bare": _dot(arithmetic="bare"),
}


def measure_all(technologies: list[str]) -> None:
    """Write docs/results/energy.json, after each technology."""
    result = provenance("python benchmarks/ppa.py") | {"stream": asdict(STREAM), "activity": simulator(), "rows": []}
    for technology in technologies:
        clock_mhz = CLOCKS_MHZ[technology]
        with tempfile.TemporaryDirectory() as scratch:
            library = compact_library(Path(scratch), technology)
            for name, config in DESIGNS.items():
                row = {"technology": technology, "clock_mhz": clock_mhz, "design": name}
                row |= _row(config, library, clock_mhz)
                result["rows"].append(row)
                print(technology, name, row["area_per_mac_um2"], row["held"]["energy_per_mac_fj"], flush=True)
        (RESULTS / "energy.json").write_text(json.dumps(result, indent=1) + "\n")


def _row(config: DotConfig, library: Any, clock_mhz: float) -> dict[str, Any]:
    smallest = choose(candidates(config, library), clock_mhz)
    unit, held = least_energy(config, library, STREAM, clock_mhz)
    streaming = measured_row(unit, library, replace(STREAM, weights="streaming"), clock_mhz)
    row = {"area_per_mac_um2": round(smallest.mapped.area_um2 / LANES, 3), "smallest": smallest.figures}
    row |= {"held": held, "streaming": streaming}
    if config.arithmetic == "exact":
        row["plain_area_per_mac_um2"] = round(plain(config, library).mapped.area_um2 / LANES, 3)
    return row


def energy_table() -> str:
    """The rows as Markdown."""
    rows = json.loads((RESULTS / "energy.json").read_text())["rows"]
    columns = {row["technology"]: f"{row['technology']}, {row['clock_mhz']:g} MHz" for row in rows}
    lines = ["| 16 lanes, A=8, 24-bit accumulator, per MAC | " + " | ".join(columns.values()) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for design in DESIGNS:
        cells = [_cell(row) for row in rows if row["design"] == design]
        lines.append(f"| {design} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: dict[str, Any]) -> str:
    held, streaming = (row[kind]["energy_per_mac_fj"] for kind in ("held", "streaming"))
    digits = 1 if row["area_per_mac_um2"] < 100 else 0
    return f"{row['area_per_mac_um2']:.{digits}f} / {held:.{digits}f} / {streaming:.{digits}f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    parser.add_argument("--technology", choices=CLOCKS_MHZ, action="append", help="only these")
    arguments = parser.parse_args()
    if not arguments.tables_only:
        measure_all(arguments.technology or list(CLOCKS_MHZ))
    write_block("energy", energy_table())
