"""The README's table: a few rows of each measurement, those where ASM loses among them, and what an engine reaches on
an FPGA, from docs/results alone.

python benchmarks/headline.py       # after any other script here has written its figures
"""

from __future__ import annotations

import json
from statistics import fmean
from typing import Any

import near_memory
from figures import RESULTS, write_block

TECHNOLOGY = "sg13g2"
ASM, SHARED_BANK = "{1} W=5", "{1,3} W=5, 4 columns on one bank"
Figure = tuple[str, float]
"""What was measured, and the figure."""


def table() -> str:
    """The rows as Markdown."""
    head = ("IHP SG13G2 130 nm, A=8", "ASM", "baseline", "ASM / baseline")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, asm, baseline in [*_areas(), *_energies(), *_arrays(), *_fpga()]:
        lines.append(f"| {name} | {_cell(asm)} | {_cell(baseline)} | {asm[1] / baseline[1]:.2f} |")
    (asm_name, asm_percent), (exact_name, exact_percent) = _accuracies()
    cells = (
        f"{asm_name}: {asm_percent:.2f} | {exact_name}: {exact_percent:.2f} | {asm_percent - exact_percent:+.2f} points"
    )
    return "\n".join([*lines, f"| ResNet-20 on CIFAR-10, integers, A=4, % | {cells} |"])


def _cell(figure: Figure) -> str:
    return f"{figure[0]}: {figure[1]:,.0f}"


def _areas() -> list[tuple[str, Figure, Figure]]:
    """Few alphabets pay, also beside the same storage; many do not. Decoders and weight registers count."""
    asm, exact = {}, {}
    for result in _read("area")["comparisons"]:
        parameters, rows = result["parameters"], result["rows"]
        if result["unit"] == "dot":
            name = f"{{{','.join(map(str, parameters['alphabets']))}}} W={parameters['weight_bits']}"
            asm[name] = rows["asm"]["area_um2"]
            exact[f"exact W={parameters['weight_bits']}"] = rows["exact"]["area_um2"]
    pairs = ((ASM, "exact W=5"), (ASM, "exact W=4"), ("{1,3,5,7} W=8", "exact W=8"))
    return [("area of 16 lanes, um2", (one, asm[one]), (other, exact[other])) for one, other in pairs]


def _energies() -> list[tuple[str, Figure, Figure]]:
    """Beside an exact weight of the same bits, and of the same storage; held weights, and streaming ones."""
    rows = {row["design"]: row for row in _read("energy")["rows"] if row["technology"] == TECHNOLOGY}
    found = []
    for weights, asm, exact in (
        ("held", ASM, "exact W=5"),
        ("held", ASM, "exact W=4"),
        ("streaming", ASM, "exact W=4"),
        ("streaming", SHARED_BANK, "exact W=4"),
    ):
        one, other = ((name, fmean(rows[name][weights]["by_seed_fj"])) for name in (asm, exact))
        found.append((f"energy per MAC, weights {weights}, fJ", one, other))
    return found


def _arrays() -> list[tuple[str, Figure, Figure]]:
    """Whole arrays with their memories, at the default shape."""
    result = json.loads(near_memory.OUTPUT.read_text())
    shape = near_memory.best_shape(near_memory.energies(result))
    fj = {name: row["energy_per_mac_fj"] for name, row in near_memory.rows(result, False, *shape).items()}
    others = ("near-memory exact W=5", next(name for name in fj if name.startswith("vn_array INT8,")))
    name = "energy per MAC, near-memory array with memory, fJ"
    return [
        (name, (ASM, fj[f"near-memory {ASM}"]), (other.removeprefix("near-memory "), fj[other])) for other in others
    ]


def _fpga() -> list[tuple[str, Figure, Figure]]:
    rows = {name: row["lut_equivalents"] for name, row in _read("fpga")["rows"].items()}
    asm = (ASM, rows[f"{ASM}, packed"])
    return [("16 lanes on ECP5, LUTs", asm, (name, rows[name])) for name in ("exact W=4", "exact W=8, with DSP")]


def _accuracies() -> list[Figure]:
    """The same network on {1} and on uniform levels of the same storage."""
    formats = {f"{ASM}": ([1], 5), "uniform W=4": ([1, 3, 5, 7], 4)}
    found = []
    for name, (alphabets, bits) in formats.items():
        wanted = ["resnet20", alphabets, bits, 4, None]
        keys = ("model", "alphabets", "weight_bits", "act_bits", "act_alphabets")
        runs = [run for run in _read("trainings") if [run["settings"][key] for key in keys] == wanted]
        found.append((name, fmean(run["test"]["integer_percent"] for run in runs)))
    return found


def engine_sentence() -> str:
    """What a whole network reaches on an FPGA."""
    result = _read("engine_fpga")
    mhz, cycles = result["row"]["fmax_mhz"], result["cycles"]["resnet20"]
    return (
        f"A whole ResNet-20 on {{1}} W=5 A=4 runs at {mhz * 1e6 / cycles:,.0f} images/s on a {result['device']} (ECP5),"
        f" at {mhz:.1f} MHz\nafter routing, without DSP, all weights in block RAM: [engine](docs/engine.md#fpga)."
    )


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


if __name__ == "__main__":
    write_block("results", table(), "README.md")
    write_block("engine_results", engine_sentence(), "README.md")
