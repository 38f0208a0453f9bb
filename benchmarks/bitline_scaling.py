"""How bitline arrays scale with their cells: docs/results/bitline_scaling.json and a table of docs/bitline.md.

python benchmarks/bitline_scaling.py
"""

from __future__ import annotations

import json
import resource
import tempfile
from pathlib import Path

import numpy as np
from figures import RESULTS, provenance, write_block

from asm_hw.emission.emit_folder import emit
from asm_hw.sim.bitline_player import BitlinePlayer
from asm_hw.units.bitline.bitline_config import BitlineConfig

SIZES = (64, 128, 256, 512)
OUTPUTS = 64
OUTPUT = RESULTS / "bitline_scaling.json"


def cpu_seconds() -> float:
    """Processor time of this process and of its children so far: what else the machine does is not in it."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def measure(size: int) -> dict:
    """Emission and simulation of {1} W=5 A=8 with ``size`` rows and columns."""
    config = BitlineConfig(alphabets=(1,), rows=size, cols=size, terms=size)
    generator = np.random.default_rng(0)
    weights = generator.choice(np.array(config.weight.levels.levels), (OUTPUTS, size))
    vectors = generator.integers(0, 256, (2 * config.words, size))
    with tempfile.TemporaryDirectory() as scratch:
        start = cpu_seconds()
        emitted = emit(config, Path(scratch, "rtl"))
        emitted_s = cpu_seconds() - start
        player = BitlinePlayer(emitted, Path(scratch, "player"))
        start = cpu_seconds()
        sums, cycles = player.matmul(weights, vectors)
        simulated_s = cpu_seconds() - start
        assert (sums == vectors @ weights.T).all()
        bits = emitted.verilog.stat().st_size
    return {
        "rows": size, "cols": size, "verilog_bytes": bits, "bytes_per_cell": round(bits / size**2, 2),
        "emission_cpu_s": round(emitted_s, 2), "cycles": cycles, "simulation_cpu_s": round(simulated_s, 2),
        "kilocycles_per_s": round(cycles / simulated_s / 1000, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


def table() -> str:
    """The rows as Markdown."""
    lines = ["| cells | Verilog, bytes | emission, s | Verilator, thousand cycles a second |", "|---|---|---|---|"]
    for row in json.loads(OUTPUT.read_text())["rows"]:
        figures = f"{row['verilog_bytes']:,} | {row['emission_cpu_s']:.1f} | {row['kilocycles_per_s']:.0f}"
        lines.append(f"| {row['rows']} x {row['cols']} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    result = provenance("python benchmarks/bitline_scaling.py") | {"rows": []}
    for size in SIZES:
        result["rows"].append(measure(size))
        print(result["rows"][-1], flush=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    write_block("scaling", table(), "docs/bitline.md")
