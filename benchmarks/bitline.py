"""Measures the bitline array beside its baselines: docs/results/bitline.json and tables of docs/bitline.md.

    python benchmarks/bitline.py [--tables-only]

A recorded layer of 64 x 64 (benchmarks/record_layer.py) in IHP SG13G2. Two regimes of memory: one of 256 kbit for
everybody, and memories as large as the layer. The file is in pJ.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import near_memory
from figures import RESULTS, provenance, write_block

from asm_hw.ppa.activity.gate_simulation import simulator
from asm_hw.ppa.energy.bitline_accesses import FJ_PER_PJ
from asm_hw.ppa.energy.bitline_energy import layer_energy, measure_core, scalar_energy, serial_energy
from asm_hw.ppa.energy.energy_comparison import min_energy
from asm_hw.ppa.energy.memory_comparison import STREAM
from asm_hw.ppa.technology.cell_library import compact_library
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.mac.mac_config import MacConfig

CLOCK_MHZ = 50.0
TERMS = 64
ONE = BitlineConfig(alphabets=(1,), rows=64, cols=512, terms=TERMS)
SERIAL = BitlineConfig(arithmetic="exact", rows=512, cols=512, acc_bits=ONE.acc_bits)
DESIGNS = {
    "{1}": ONE,
    "{1}, words as wide as sums": replace(ONE, word_bits=ONE.acc_bits, cols=24 * ONE.accumulator.bits),
    "{1,3}": BitlineConfig(alphabets=(1, 3), rows=128, cols=510, terms=TERMS),
    "{1} on both sides, A=4": BitlineConfig(
        alphabets=(1,), act_alphabets=(1,), act_bits=4, rows=64, cols=510, terms=TERMS
    ),
}


def measure() -> None:
    """Write docs/results/bitline.json."""
    result = provenance("python benchmarks/bitline.py") | {"clock_mhz": CLOCK_MHZ, "activity": simulator()}
    with tempfile.TemporaryDirectory() as scratch:
        library = compact_library(Path(scratch), "sg13g2")
        mac = MacConfig(arithmetic="exact", weight_bits=8, act_bits=8, acc_bits=24)
        _, exact = min_energy(mac, library, STREAM, CLOCK_MHZ)
        result["mac"] = {"name": exact["name"], "energy_per_mac_fj": exact["energy_per_mac_fj"]}
        for regime in ("shared", "sized"):
            scalar = scalar_energy(exact["parts_per_mac_fj"], regime == "sized", CLOCK_MHZ)
            result[f"vn_scalar_{regime}"] = in_pj(scalar)
        result["designs"] = {}
        for name, config in DESIGNS.items():
            core = measure_core(config, library, CLOCK_MHZ)
            shapes = {"sized": config, "shared": replace(config, rows=512)}
            regimes = {
                regime: in_pj(layer_energy(shape, core, regime == "sized", CLOCK_MHZ))
                for regime, shape in shapes.items()
            }
            result["designs"][name] = {"core": asdict(core)} | regimes
            print(name, {regime: round(row["total_pj"], 2) for regime, row in regimes.items()}, flush=True)
        core = measure_core(SERIAL, library, CLOCK_MHZ)
        result["bit_serial"] = {"core": asdict(core), "shared": in_pj(serial_energy(SERIAL, core, CLOCK_MHZ))}
    (RESULTS / "bitline.json").write_text(json.dumps(result, indent=1) + "\n")


def in_pj(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its energies, which are in fJ, in pJ."""
    found = {}
    for name, value in row.items():
        head = name.removesuffix("_fj")
        found[name if head == name else f"{head}_pj"] = value if head == name else value / FJ_PER_PJ
    return found


def table() -> str:
    """The rows as Markdown."""
    result = json.loads((RESULTS / "bitline.json").read_text())
    head = "| array | cycles per MAC | memory | movement | compute | leakage | total (lower bound) | / vn_scalar |"
    lines = [f"| pJ per MAC, IHP SG13G2 {head}", "|---" * head.count("|") + "|"]
    for regime, title in (("shared", "256 kbit for all"), ("sized", "memories of the layer's size")):
        scalar = result[f"vn_scalar_{regime}"]
        lines.append(
            f"| vn_scalar INT8, {title} | {scalar['memory']} | 1 | {scalar['memory_pj']:.1f} "
            f"| {scalar['movement_pj']:.2f} | {scalar['compute_pj']:.2f} | {scalar['leakage_pj']:.3f} "
            f"| {scalar['total_pj']:.1f} | 1 |"
        )
        rows = {f"bitline {name} W=5": design[regime] for name, design in result["designs"].items()}
        rows |= {"bit-serial W=5": result["bit_serial"][regime]} if regime in result["bit_serial"] else {}
        lines += [_row(name, row, scalar["total_pj"]) for name, row in rows.items()]
    return "\n".join(lines)


def beside_arrays() -> str:
    """How much of the near-memory and the von Neumann array's energy the bitline array takes, in Markdown."""
    result = json.loads((RESULTS / "bitline.json").read_text())
    arrays = json.loads(near_memory.OUTPUT.read_text())
    shape = near_memory.best_shape(near_memory.energies(arrays))
    lines = ["| bitline {1} W=5 over | 256 kbit | memories of the layer's size |", "|---|---|---|"]
    own = [1000 * result["designs"]["{1}"][regime]["total_pj"] for regime in ("shared", "sized")]
    others = [near_memory.rows(arrays, sized, *shape) for sized in (False, True)]
    for name in ("near-memory {1} W=5", "near-memory exact W=5", "vn_array INT8"):
        ratios = [fj / rows[name]["energy_per_mac_fj"] for fj, rows in zip(own, others, strict=True)]
        lines.append(f"| {name} | {ratios[0]:.1f} | {ratios[1]:.1f} |")
    return "\n".join(lines)


def _row(name: str, row: dict, scalar_pj: float) -> str:
    memory, movement = (
        sum(row.get(f"{part}_pj", 0.0) for part in parts) for parts in (("sums", "program"), ("loads", "outputs"))
    )
    total = f"{row['total_pj']:.2f} ({row['total_lower_bound_pj']:.2f})"
    return (
        f"| {name} | {row['rows']} x {row['cols']} | {row['cycles_per_mac']:.4f} | {memory:.2f} "
        f"| {movement:.2f} | {row['compute_pj']:.2f} | {row['leakage_pj']:.3f} | {total} "
        f"| {row['total_pj'] / scalar_pj:.3f} |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    if not parser.parse_args().tables_only:
        measure()
    write_block("bitline", table(), "docs/bitline.md")
    write_block("arrays", beside_arrays(), "docs/bitline.md")
