"""Holds the energy of an engine's modules against the whole engine, gate by gate: docs/results/engine_whole.json.

    python benchmarks/engine_whole.py [--network FILE]

The modules of `benchmarks/engine.py`, each mapped and simulated by itself, and beside them the same logic mapped and
simulated as one netlist, memories outside, in the same cycles of the same run. A small engine: of a large one the
netlist as a whole takes hours. IHP SG13G2, without wires.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine import CLOCK_MHZ, CYCLES, traced_run
from figures import REPOSITORY, RESULTS, provenance, write_block

from asm_hw.compiler.area_model import BY_COLUMN
from asm_hw.network.network_file import load
from asm_hw.ppa.energy.engine_energy import Module, map_module, modules_of, waves_of
from asm_hw.ppa.energy.engine_windows import middle_windows
from asm_hw.ppa.energy.traced_netlist import traced_energy
from asm_hw.units.engine.engine_config import EngineConfig

OUTPUT = RESULTS / "engine_whole.json"
NETWORK = REPOSITORY / "zoo" / "resnet8_1_w5_a4.safetensors"
SIZES: dict[str, Any] = {
    "lanes": 18,
    "columns": 4,
    "hold": 16,
    "bank_rows": 2048,
    "weight_rows": 32768,
    "program_rows": 8192,
}
LAYERS = ("layer1.conv2", "layer3.conv2")
WHOLE = Module("whole", "engine", "", ("engine_bank", "engine_program_memory", "engine_weights_memory"))


def every_module(verilog: str, columns: int) -> list[Module]:
    """All modules, every column and its output pipe among them, then the whole."""
    others = [module for module in modules_of(verilog, 0) if module.part not in BY_COLUMN]
    repeated = [one for number in range(columns) for one in modules_of(verilog, number) if one.part in BY_COLUMN]
    return [*others, *repeated, WHOLE]


def windows(network: Path, config: EngineConfig) -> Iterator[dict[str, Any]]:
    """For each window pJ a cycle by part and of the whole."""
    with traced_run(config, network) as run:
        for layer in LAYERS:
            (cycles,) = middle_windows(run.program, (layer,), CYCLES)
            waves = waves_of(run.player, run.program, run.image, cycles)
            parts: dict[str, float] = {}
            for module in every_module(run.verilog, config.columns):
                _, netlist = map_module(module, run.verilog, run.library)
                energy = traced_energy(netlist, waves, module.scope, CLOCK_MHZ)
                pj = energy.total_fj / energy.cycles / 1000
                print(layer, module.part, module.instance, round(pj, 3), f"{energy.wrong_percent:.3f} %", flush=True)
                parts[module.part] = round(parts.get(module.part, 0.0) + pj, 3)
            yield {"layer": layer, "first": cycles.start, "whole_pj": parts.pop(WHOLE.part), "parts_pj": parts}


def table() -> str:
    """pJ a cycle of the modules and of the whole, Markdown."""
    result = json.loads(OUTPUT.read_text())
    names = list(result["windows"][0]["parts_pj"])
    lines = [f"| pJ a cycle | {' | '.join(names)} | sum | whole | sum beyond the whole, % |"]
    lines += ["|---" * (len(names) + 4) + "|"]
    for window in result["windows"]:
        parts, whole = window["parts_pj"], window["whole_pj"]
        total = sum(parts.values())
        figures = [*parts.values(), total, whole, 100 * (total / whole - 1)]
        lines.append(f"| `{window['layer']}` | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path, default=NETWORK, help="integers that the engine runs")
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    given = parser.parse_args()
    if not given.tables_only:
        config = EngineConfig(alphabets=load(given.network).alphabets, **SIZES)
        result = provenance("python benchmarks/engine_whole.py") | {"clock_mhz": CLOCK_MHZ}
        result |= {"parameters": config.parameters, "windows": list(windows(given.network, config))}
        OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    write_block("whole", table(), "docs/engine.md")


if __name__ == "__main__":
    main()
