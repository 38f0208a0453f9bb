"""Measures near-memory arrays with their memories: docs/results/near_memory.json and the table of docs/near-memory.md.

    python benchmarks/near_memory.py [--shape LANESxHOLD ...] [--tables-only]

Logic is measured at gate level on arrays of few columns and carried to more by what each column adds
(`asm_hw.ppa.energy.array_energy.per_column`); memories are counted (`asm_hw.ppa.energy.memory_system`). IHP SG13G2.
The first shape is measured for every design, the others for the first one, to choose among them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from figures import RESULTS, provenance, write_block

from asm_hw.ppa.activity.gate_simulation import simulator
from asm_hw.ppa.energy.array_energy import per_column
from asm_hw.ppa.energy.compared_designs import LAYER
from asm_hw.ppa.energy.energy_comparison import min_energy
from asm_hw.ppa.energy.memory_comparison import FEW, MANY, STREAM
from asm_hw.ppa.energy.memory_system import BANK_ROWS, MemoryRow, near_memory, vn_array, vn_scalar
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig
from asm_hw.worker_pools import in_processes

CLOCK_MHZ = 100.0
COLUMNS = (16, 32, 64)
SHAPES = ["128x96", "128x64", "64x96", "64x64", "32x96"]
INT8 = VnScalarConfig(arithmetic="exact", weight_bits=8, act_bits=8, acc_bits=24)
OUTPUT = RESULTS / "near_memory.json"
Energies = dict[tuple[int, int, int], float]
BANKED = {"": False, f", banks of {BANK_ROWS} words": True}


def _config(**parameters: Any) -> NearMemoryConfig:
    return NearMemoryConfig(act_bits=8, acc_bits=24, depth=1024, structure="greedy", **parameters)


DESIGNS = {
    "near-memory {1} W=5": {"alphabets": (1,), "weight_bits": 5},
    "near-memory exact W=5": {"arithmetic": "exact", "weight_bits": 5, "weight_form": "booth"},
    "near-memory exact W=8": {"arithmetic": "exact", "weight_bits": 8, "weight_form": "booth"},
}


def _job(name: str, shape: str) -> tuple[str, int, int]:
    lanes, hold = map(int, shape.split("x"))
    return name, lanes, hold


def measure_all(shapes: list[str]) -> None:
    """Write the JSON file, after each design."""
    result = provenance("python benchmarks/near_memory.py") | {"clock_mhz": CLOCK_MHZ, "activity": simulator()}
    result |= {"layer": asdict(LAYER), "columns_measured": [FEW, MANY], "logic": [], "mac": None}
    jobs = [_job(name, shapes[0]) for name in DESIGNS] + [_job(next(iter(DESIGNS)), shape) for shape in shapes[1:]]
    for logic in in_processes(measure_logic, jobs):
        result["logic"].append(logic)
        OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
        print(*list(logic.values())[:3], [row["energy_per_mac_fj"] for row in logic["measured"]], flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        library = compact_library(Path(scratch), "sg13g2")
        mac = MacConfig(arithmetic="exact", weight_bits=8, acc_bits=24, weight_code="decoded")
        result["mac"] = min_energy(mac, library, STREAM, CLOCK_MHZ)[1]["parts_per_mac_fj"]
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")


def measure_logic(job: tuple[str, int, int]) -> dict[str, Any]:
    """The logic of a design with so many lanes and so long a hold."""
    name, lanes, hold = job
    with tempfile.TemporaryDirectory() as scratch:
        library = compact_library(Path(scratch), "sg13g2")
        config = _config(lanes=lanes, hold=hold, **DESIGNS[name])
        logic = per_column(config, library, CLOCK_MHZ, "balanced", FEW, MANY)
    return {"design": name, "lanes": lanes, "hold": hold} | logic


def loads_hide(columns: int, hold: int) -> bool:
    """Whether any large product computes in 95 % of its cycles (docs/near-memory.md); the others are not compared."""
    return 4 * hold >= 5 * (columns + 3)


def rows(result: dict[str, Any], sized: bool, lanes: int, columns: int, hold: int) -> dict[str, MemoryRow]:
    """Every design at one shape, in one regime of memories."""
    logic = {entry["design"]: entry for entry in result["logic"] if (entry["lanes"], entry["hold"]) == (lanes, hold)}
    configs = {
        name: _config(lanes=lanes, hold=hold, columns=columns, **parameters)
        for name, parameters in DESIGNS.items()
        if name in logic
    }
    rest = (LAYER, sized, CLOCK_MHZ)
    found = {name: near_memory(config, logic[name], *rest) for name, config in configs.items()}
    exact = "near-memory exact W=8"
    if exact in found:
        shared = VnArrayConfig(**configs[exact].parameters | {"depth": VnArrayConfig.depth})
        for title, banked in BANKED.items():
            found[f"vn_array INT8{title}"] = vn_array(shared, logic[exact], *rest, banked=banked)
    if result["mac"]:
        for title, banked in BANKED.items():
            found[f"vn_scalar INT8{title}"] = vn_scalar(INT8, result["mac"], *rest, banked=banked)
    return found


def energies(result: dict[str, Any]) -> Energies:
    """fJ per MAC of {1} behind fixed memories by lanes, columns and hold, where loads hide; the first shape first."""
    name = next(iter(DESIGNS))
    shapes = [(entry["lanes"], entry["hold"]) for entry in result["logic"] if entry["design"] == name]
    return {
        (lanes, columns, hold): rows(result, False, lanes, columns, hold)[name]["energy_per_mac_fj"]
        for lanes, hold in shapes
        for columns in COLUMNS
        if loads_hide(columns, hold)
    }


def best_shape(energy: Energies) -> tuple[int, int, int]:
    """The first shape at its best number of columns."""
    lanes, _, hold = next(iter(energy))
    return min((shape for shape in energy if (shape[0], shape[2]) == (lanes, hold)), key=lambda shape: energy[shape])


def table() -> str:
    """`best_shape` in both regimes, and the energies of all shapes, in Markdown."""
    result = json.loads(OUTPUT.read_text())
    energy, name = energies(result), next(iter(DESIGNS))
    best = best_shape(energy)
    lines = [f"{best[0]} lanes x {best[1]} columns, hold {best[2]}:", ""]
    lines += [
        "| fJ per MAC | memories | total | memory | movement | clock, control | compute | {1} / this |",
        "|---" * 8 + "|",
    ]
    for sized, title in ((False, "256 kbit"), (True, "sized to the layer")):
        found = rows(result, sized, *best)
        for design, row in found.items():
            parts = [row["memory_fj"], row["movement_fj"], row["control_fj"], row["compute_fj"]]
            ratio = found[name]["energy_per_mac_fj"] / row["energy_per_mac_fj"]
            figures = " | ".join(f"{value:,.0f}" for value in (row["energy_per_mac_fj"], *parts))
            lines.append(f"| {design} | {title} | {figures} | {ratio:.3f} |")
    return "\n".join([*lines, "", *shape_lines(result, energy)])


def shape_lines(result: dict[str, Any], energy: Energies) -> list[str]:
    """Energies of {1} by lanes, columns, hold, and the logic that a further column adds."""
    lines = ["| {1} W=5, 256 kbit | " + " | ".join(f"{columns} columns" for columns in COLUMNS) + " | um2 a column |"]
    lines += ["|---" * (len(COLUMNS) + 2) + "|"]
    logic = {(entry["lanes"], entry["hold"]): entry["measured"] for entry in reversed(result["logic"])}
    for lanes, hold in dict.fromkeys((lanes, hold) for lanes, _, hold in energy):
        found = [energy.get((lanes, columns, hold)) for columns in COLUMNS]
        few, many = (row["area_um2"] for row in logic[lanes, hold])
        figures = " | ".join(f"{fj:,.0f}" if fj else "-" for fj in found)
        lines.append(f"| {lanes} lanes, hold {hold} | {figures} | {(many - few) / (MANY - FEW):,.0f} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the tables, from the JSON file")
    parser.add_argument("--shape", action="append", help="only these, such as 64x32")
    arguments = parser.parse_args()
    if not arguments.tables_only:
        measure_all(arguments.shape or SHAPES)
    write_block("energy", table(), "docs/near-memory.md")
