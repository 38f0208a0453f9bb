"""How near-memory arrays scale: docs/results/near_memory_scaling.json and a table of docs/near-memory.md.

python benchmarks/near_memory_scaling.py
"""

from __future__ import annotations

import json
import random
import resource
import tempfile
from pathlib import Path
from typing import Any

from bitline_scaling import cpu_seconds
from figures import RESULTS, provenance, write_block

from asm_hw.emission.emit_folder import Emitted, emit
from asm_hw.sim.near_player import NearPlayer
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import program

SIDES = (4, 8, 16, 32)
VECTORS = 512
OUTPUT = RESULTS / "near_memory_scaling.json"


def config_of(side: int) -> NearMemoryConfig:
    """{1} W=5 A=8 with ``side`` lanes and columns."""
    return NearMemoryConfig(alphabets=(1,), lanes=side, columns=side, hold=2 * side, depth=1024)


def measure_emission(side: int, out: Path) -> tuple[Emitted, dict[str, Any]]:
    """The unit in the folder ``out``, and what it took; the peak is that of all sizes so far."""
    start = cpu_seconds()
    emitted = emit(config_of(side), out)
    seconds, size = cpu_seconds() - start, emitted.verilog.stat().st_size
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return emitted, {
        "lanes": side,
        "columns": side,
        "verilog_bytes": size,
        "bytes_per_cell": round(size / side**2, 1),
        "emission_cpu_s": round(seconds, 2),
        "emission_cpu_ms_per_cell": round(1000 * seconds / side**2, 1),
        "peak_memory_mb": round(peak / 1024),
    }


def measure_simulation(side: int, emitted: Emitted, build: Path) -> dict[str, Any]:
    """A matrix product in Verilator, four times the array in each dimension."""
    config, rng = config_of(side), random.Random(0)  # noqa: S311 - operands
    w = [[rng.choice(config.weight.table)[0] for _ in range(4 * side)] for _ in range(4 * side)]
    x = [[rng.randrange(256) for _ in range(4 * side)] for _ in range(VECTORS)]
    made = program(config, w, x, [0] * len(w))
    player = NearPlayer(emitted, build)
    start = cpu_seconds()
    _, cycles = player.play(made)
    seconds = cpu_seconds() - start
    assert cycles == len(made.rows) + config.cycles(made.blocks)
    speed = round(cycles / seconds / 1000, 1)
    return {"cycles": cycles, "simulation_cpu_s": round(seconds, 2), "kilocycles_per_s": speed}


def table() -> str:
    """The rows as Markdown."""
    head = ("lanes x columns", "Verilog, bytes", "a cell", "emission, s", "Verilator, thousand cycles a second")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in json.loads(OUTPUT.read_text())["rows"]:
        cells = (
            f"{row['lanes']} x {row['columns']}",
            f"{row['verilog_bytes']:,}",
            f"{row['bytes_per_cell']:.0f}",
            f"{row['emission_cpu_s']:.1f}",
            f"{row['kilocycles_per_s']:g}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    result = provenance("python benchmarks/near_memory_scaling.py")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        made = {side: measure_emission(side, scratch / "rtl") for side in SIDES}  # before compilers raise the peak
        result["rows"] = []
        for side, (unit, figures) in made.items():
            result["rows"].append(figures | measure_simulation(side, unit, scratch / str(side)))
            print(result["rows"][-1], flush=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    write_block("scaling", table(), "docs/near-memory.md")
