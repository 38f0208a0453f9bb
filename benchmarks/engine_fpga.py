"""Places and routes a whole engine on an ECP5-85: docs/results/engine_fpga.json and a table of docs/engine.md.

    python benchmarks/engine_fpga.py [--tables-only]

Images a second are the routed clock divided by the cycles of the program, which the Verilog takes too. No hard
multipliers; all memories in block RAM but accumulators, in LUTs. About half an hour.
"""

from __future__ import annotations

import argparse
import json

from figures import REPOSITORY, RESULTS, provenance, write_block

from asm_hw.compiler.compile_network import compile_network
from asm_hw.network.network_file import load
from asm_hw.ppa.fpga.fpga_comparison import measure
from asm_hw.ppa.fpga.fpga_devices import FAMILIES, tools
from asm_hw.units.engine.engine_config import EngineConfig

FAMILY = "ecp5_85"
DEVICE_LUTS = 83640
DEVICE_RAMS = 208
ENGINE = EngineConfig(
    alphabets=(1,), acc_bits=24, weight_form="binary", structure="tree", stages=2, accumulators="memory",
    hold=32, segments=4, bank_rows=1024,
)  # fmt: skip
ZOO = REPOSITORY / "zoo"
NETWORKS = {"resnet8": "resnet8_1_w5_a4.safetensors", "resnet20": "resnet20_1_w5_a4.safetensors"}
TARGETS = {"resnet8": 3500, "resnet20": 1300}
OUTPUT = RESULTS / "engine_fpga.json"


def measure_engine(seeds: int) -> None:
    """Write docs/results/engine_fpga.json."""
    device = FAMILIES[FAMILY]
    result = provenance("python benchmarks/engine_fpga.py") | {"device": device.device, "tools": tools(device)}
    result |= {"seeds": seeds, "engine": ENGINE.parameters, "row": measure(ENGINE, device, seeds)}
    result["cycles"] = {name: compile_network(load(ZOO / file), ENGINE).cycles for name, file in NETWORKS.items()}
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")


def table() -> str:
    """The figures, Markdown."""
    result = json.loads(OUTPUT.read_text())
    row, mhz = result["row"], result["row"]["fmax_mhz"]
    share = row["lut_equivalents"] / DEVICE_LUTS
    lines = [f"| {result['device']} | |", "|---|---|"]
    lines.append(f"| LUT-equivalents | {row['lut_equivalents']:,} of {DEVICE_LUTS:,}, {share:.0%} |")
    lines.append(f"| flip-flops, block RAM, DSP | {row['ff']:,}, {row['ram']} of {DEVICE_RAMS}, {row['dsp']} |")
    lines.append(f"| clock, after routing | {mhz:.1f} MHz |")
    for name, cycles in result["cycles"].items():
        rate = mhz * 1e6 / cycles
        met = "met" if rate >= TARGETS[name] else "missed"
        lines.append(f"| {name} | {rate:,.0f} images/s in {cycles:,} cycles; to reach {TARGETS[name]:,}: {met} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="placements; the clock is their median")
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    given = parser.parse_args()
    if not given.tables_only:
        measure_engine(given.seeds)
    write_block("engine_fpga", table(), "docs/engine.md")
