"""Places and routes dot products on ECP5: docs/results/fpga.json and the table of docs/fpga.md.

    python benchmarks/fpga.py [--tables-only]

Weights are as many bits in memory for {1} W=5 as for exact W=4, and decoded in the unit; the structure
of the fewest LUT-equivalents counts, for each design alike.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from figures import RESULTS, provenance, write_block

from asm_hw.ppa.fpga.fpga_comparison import measure
from asm_hw.ppa.fpga.fpga_devices import FAMILIES, tools
from asm_hw.units.dot.dot_config import DotConfig

FAMILY = "ecp5"
SEEDS = 3


def _dot(**parameters: Any) -> DotConfig:
    return DotConfig(lanes=16, act_bits=8, acc_bits=24, **parameters)


DESIGNS = {
    "exact W=4": (_dot(arithmetic="exact", weight_bits=4), False),
    "exact W=5": (_dot(arithmetic="exact", weight_bits=5), False),
    "exact W=8": (_dot(arithmetic="exact", weight_bits=8), False),
    "exact W=8, with DSP": (_dot(arithmetic="exact", weight_bits=8), True),
    "{1} W=5, weights as fields": (_dot(alphabets=(1,), weight_bits=5, weight_code="fields"), False),
    "{1} W=5, packed": (_dot(alphabets=(1,), weight_bits=5), False),
    "{1,3} W=5": (_dot(alphabets=(1, 3), weight_bits=5), False),
    "bare": (_dot(arithmetic="bare"), False),
}


def measure_all() -> None:
    """Write docs/results/fpga.json."""
    device = FAMILIES[FAMILY]
    result = provenance("python benchmarks/fpga.py") | {"family": FAMILY, "device": device.device, "seeds": SEEDS}
    result |= {"nextpnr": tools(device), "rows": {}}
    for name, (config, dsp) in DESIGNS.items():
        result["rows"][name] = row = measure(config, device, SEEDS, dsp)
        print(name, row["lut_equivalents"], row["ff"], row["fmax_mhz"], flush=True)
    (RESULTS / "fpga.json").write_text(json.dumps(result, indent=1) + "\n")


def fpga_table() -> str:
    """The rows as Markdown."""
    rows = json.loads((RESULTS / "fpga.json").read_text())["rows"]
    lines = ["| 16 lanes, A=8, 24-bit accumulator | LUT-equivalents | / exact W=4 | FF | DSP | fmax, MHz |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, row in rows.items():
        ratio = row["lut_equivalents"] / rows["exact W=4"]["lut_equivalents"]
        figures = f"{row['lut_equivalents']} | {ratio:.2f} | {row['ff']} | {row['dsp']} | {row['fmax_mhz']:.1f}"
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    if not parser.parse_args().tables_only:
        measure_all()
    write_block("fpga", fpga_table(), "docs/fpga.md")
