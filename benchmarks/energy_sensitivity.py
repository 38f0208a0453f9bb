"""How far the energies of energy.json move with what they rest on: docs/results/sensitivity.json and its table.

    python benchmarks/energy_sensitivity.py [--tables-only]

The design points that take least with held weights, on other streams: without glitches (simulated without delays), with
fewer and more activations that are zero, with more weights that are, and with weights held for shorter and longer.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from figures import RESULTS, provenance, write_block
from ppa_designs import CLOCKS_MHZ, DESIGNS, STREAM

from asm_hw.ppa.activity.gate_simulation import BOUND, DELAYS, simulator
from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.baselines.design_points import map_points
from asm_hw.ppa.energy.energy_comparison import measured_row
from asm_hw.ppa.energy.unit_energy import map_unit
from asm_hw.ppa.technology.cell_library import Library, compact_library
from asm_hw.worker_pools import in_processes

TECHNOLOGY = "sg13g2"
COMPARED = ("{1} W=5", "exact W=4", "exact W=5", "exact W=8", "{1} W=5 A=4", "exact W=4 A=4")
LONG = replace(STREAM, cycles=1000)
CONDITIONS: dict[str, tuple[StreamOptions, str]] = {
    "as published": (STREAM, DELAYS),
    "without glitches": (STREAM, BOUND),
    "75 % of the activations zero": (replace(STREAM, zero_activations=75), DELAYS),
    "no activation zero": (replace(STREAM, zero_activations=0), DELAYS),
    **{f"{zeros} % of the weights zero": (replace(STREAM, zero_weights=zeros), DELAYS) for zeros in (20, 50, 70)},
    "weights held for 10 cycles": (replace(STREAM, hold=10), DELAYS),
    "weights held for 500 cycles": (replace(LONG, hold=500), DELAYS),
}
"""Streams, and what simulates them. Weights are zero by ``zero_weights``, and where they round to it."""


def measure() -> None:
    """Write docs/results/sensitivity.json."""
    if simulator() != DELAYS:
        raise SystemExit("Icarus Verilog must be installed: without it there are no glitches to leave out")
    result = provenance("python benchmarks/energy_sensitivity.py") | {"technology": TECHNOLOGY}
    published = json.loads((RESULTS / "energy.json").read_text())["rows"]
    built = {row["design"]: row["held"] for row in published if row["technology"] == TECHNOLOGY}
    with tempfile.TemporaryDirectory() as scratch:
        library = compact_library(Path(scratch), TECHNOLOGY, wires=True)
        rows = in_processes(partial(_rows, library, built), COMPARED)
        result["designs"] = dict(zip(COMPARED, rows, strict=True))
    (RESULTS / "sensitivity.json").write_text(json.dumps(result, indent=1) + "\n")


def _rows(library: Library, built: dict[str, Any], design: str) -> dict[str, Any]:
    """One design in every condition."""
    found = built[design]
    config = replace(DESIGNS[design], structure=found["structure"], weight_form=found["weight_form"])
    [point] = map_points([(config, found["recipe"])], library)
    unit = map_unit(point)
    rows = {}
    for name, (stream, tool) in CONDITIONS.items():
        row = measured_row(unit, library, stream, CLOCKS_MHZ[TECHNOLOGY], tool)
        rows[name] = {"stream": asdict(stream), "activity": tool, "energy_per_mac_fj": row["energy_per_mac_fj"]}
        print(design, name, row["energy_per_mac_fj"], flush=True)
    return rows


def table() -> str:
    """The figures as Markdown, {1} over exact weights beside them."""
    designs = json.loads((RESULTS / "sensitivity.json").read_text())["designs"]
    pairs = [(own, other) for own in ("{1} W=5", "{1} W=5 A=4") for other in _others(own)]
    heads = [*COMPARED, *(f"{own} / {other}" for own, other in pairs)]
    lines = [f"| fJ per MAC | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in CONDITIONS:
        fj = {design: rows[name]["energy_per_mac_fj"] for design, rows in designs.items()}
        cells = [*(f"{fj[design]:.0f}" for design in COMPARED), *(f"{fj[one] / fj[other]:.2f}" for one, other in pairs)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _others(own: str) -> list[str]:
    """The exact designs with the activations of ``own``."""
    return [name for name in COMPARED if name.startswith("exact") and name.endswith("A=4") == own.endswith("A=4")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    if not parser.parse_args().tables_only:
        measure()
    write_block("sensitivity", table(), "docs/energy.md")
