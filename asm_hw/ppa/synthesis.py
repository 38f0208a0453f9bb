"""Area and ABC delay of a unit, mapped by Yosys; several recipes are tried and the smallest kept.

Every contender gets the same recipes. The delay is what ABC's ``stime`` prints: a figure to compare by,
not a clock period.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..config import MultiplierConfig, counterpart
from ..errors import ParameterError
from ..gateware import make_component
from ..verilog import to_verilog
from .cells import Library, choose_library
from .compact import TECHNOLOGIES

_SMALL = "strash;ifraig;scorr;dc2;dc2;dch,-f;amap,-m;topo;buffer,-c;topo;dnsize;stime,-p"
_FAST = "strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put;buffer,-c;topo;upsize;dnsize;stime,-p"

RECIPES = {
    "area": ("synth -flatten", _SMALL),
    "area chained": ("synth -flatten -noalumacc", _SMALL),
    "area booth": ("synth -flatten -booth", _SMALL),
    "area booth chained": ("synth -flatten -booth -noalumacc", _SMALL),
    "fast": ("synth -flatten", _FAST),
    "fast chained": ("synth -flatten -noalumacc", _FAST),
}
"""Coarse synthesis and ABC script by recipe name.

Without ``chained`` Yosys merges sums into carry-save trees, which suits a MAC; with it each addition
keeps the width it was written with, which suits adder trees of many lanes. ``booth`` encodes
multiplications; it loses below about 10 bits and wins above. ``area`` maps for area, adds buffers and
shrinks gates; ``fast`` maps for delay and sizes gates, to show what speed costs.
"""

_RUN = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin.read().splitlines():
    libyosys.run_pass(line, design)
"""


@dataclass(frozen=True)
class Synthesis:
    """A mapped design and the recipe that gave it.

    Attributes
    ----------
    cells : number of library cells
    area_um2 : sum of their areas
    delay_ns : ABC's ``stime``: the longest path between ports and registers, through loaded gates;
        without wires, and without the flip-flops' own delay and setup
    histogram : number of cells by cell name, by ascending name
    tool : what mapped it
    """

    recipe: str
    cells: int
    area_um2: float
    delay_ns: float
    histogram: dict[str, int]
    tool: str


def run_yosys(commands: list[str], folder: Path) -> str:
    """Run Yosys commands in ``folder`` in a process of their own and return the log.

    Raises RuntimeError with the last lines of the log if Yosys fails.
    """
    result = subprocess.run(
        [sys.executable, "-c", _RUN], input="\n".join(commands), capture_output=True, text=True, cwd=folder
    )
    if result.returncode:
        raise RuntimeError(f"Yosys failed: {(result.stdout + result.stderr)[-1000:]}")
    return result.stdout


def count_cells(verilog: str, top: str, cell: str = "$mul") -> int:
    """How many cells of a type remain in the flattened design after ``proc; opt``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "design.v").write_text(verilog)
        commands = ["read_verilog design.v", f"hierarchy -check -top {top}", "proc", "flatten", "opt"]
        run_yosys([*commands, f"tee -q -o count select -count t:{cell}"], folder)
        match = re.search(r"(\d+) objects", (folder / "count").read_text())
        assert match
        return int(match[1])


def synthesize(verilog: str, top: str, library: Library, recipe: str) -> Synthesis:
    """Map one design with one recipe. Raises `ParameterError` where the library cannot map it."""
    with tempfile.TemporaryDirectory() as scratch:
        log = run_yosys(mapping_commands(verilog, top, library, recipe, Path(scratch)), Path(scratch))
        text = (Path(scratch) / "stat.json").read_text()
    stat = json.loads(text[text.index("{") :])["design"]  # a note about a .gz file may come first
    histogram = dict(sorted(stat.get("num_cells_by_type", {}).items()))
    unmapped = [cell for cell in histogram if cell.startswith("$")]
    if unmapped:
        raise ParameterError(f"liberty {library.name!r} must map every cell, but {unmapped[0]} is left")
    delays = [float(delay) / 1000 for delay in re.findall(r"Delay = *([\d.]+) ps", log)]
    delay = round(max(delays, default=0.0), 5)  # none where all is wires and registers
    tool = f"pyosys {version('pyosys')}"
    return Synthesis(recipe, stat["num_cells"], round(stat.get("area", 0.0), 4), delay, histogram, tool)


def mapping_commands(verilog: str, top: str, library: Library, recipe: str, folder: Path) -> list[str]:
    """The Yosys commands of ``recipe``; the files they name are put into ``folder``.

    They leave the mapped design in Yosys and its figures in ``stat.json``.
    """
    coarse, script = RECIPES[recipe]
    liberty = " ".join(f"-liberty {name}" for name in library.link_into(folder))
    (folder / "design.v").write_text(verilog)
    return [
        "read_verilog design.v",
        f"{coarse} -top {top}",
        f"dfflibmap {liberty}",
        "opt",
        f"abc {liberty} -script +{script}",
        "opt_clean -purge",
        f"tee -q -o stat.json stat {liberty} -json",
    ]


def best(verilog: str, top: str, library: Library) -> tuple[Synthesis, list[Synthesis]]:
    """The smallest of all recipes (the faster if equal), and all of them.

    Booth is left out where there is no ``$mul``: it would change nothing.
    """
    booth = count_cells(verilog, top) > 0
    recipes = [recipe for recipe in RECIPES if booth or "booth" not in recipe]
    with ThreadPoolExecutor(2) as pool:
        tried = list(pool.map(lambda recipe: synthesize(verilog, top, library, recipe), recipes))
    return min(tried, key=lambda result: (result.area_um2, result.delay_ns)), tried


def compare(config: MultiplierConfig, liberty: str | None = None, technology: str = TECHNOLOGIES[0]) -> dict[str, Any]:
    """A unit beside its exact twin and the bare accumulator of the same widths, each at its best.

    ``liberty``: see `user_library`; the compact table of ``technology`` if None. The result is plain JSON: a row each
    with the fields of `Synthesis`, the figures of all recipes tried, and the ratios of area and delay
    to exact and bare.
    """
    contenders = {"asm": config, "exact": counterpart(config, "exact"), "bare": counterpart(config, "bare")}
    contenders[config.arithmetic] = config
    contenders = {name: contender for name, contender in contenders.items() if name == contender.arithmetic}
    with tempfile.TemporaryDirectory() as scratch:
        library = choose_library(Path(scratch), technology, liberty)
        try:
            rows = {name: _row(contender, library) for name, contender in contenders.items()}
        except RuntimeError as error:
            if liberty is None:
                raise
            reason = str(error).strip().splitlines()[-1]
            raise ParameterError(f"liberty {liberty!r} must be a library that Yosys can map onto: {reason}") from None
    for row in rows.values():
        for other in ("exact", "bare"):
            row[f"area_ratio_to_{other}"] = _ratio(row["area_um2"], rows[other]["area_um2"])
            row[f"delay_ratio_to_{other}"] = _ratio(row["delay_ns"], rows[other]["delay_ns"])
    tools = {"pyosys": version("pyosys")}
    return {"library": library.name, "parameters": config.parameters, "rows": rows, "tools": tools}


def _row(config: MultiplierConfig, library: Library) -> dict[str, Any]:
    chosen, tried = best(to_verilog(make_component(config), config.slug), config.slug, library)
    figures = ("recipe", "cells", "area_um2", "delay_ns")
    attempts = [{name: getattr(result, name) for name in figures} for result in tried]
    return {"name": config.slug, **asdict(chosen), "tried": attempts}


def _ratio(value: float, reference: float) -> float | None:
    return round(value / reference, 4) if reference else None
