"""Area and ABC delay of a unit, mapped by Yosys; several recipes are tried and the smallest kept.

Every contender gets the same recipes. The delay is what ABC's ``stime`` prints for the longest
register-to-register or port path, without wires, clock skew or setup: a figure to compare by.
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
from .cells import Library, compact_library, user_library

_TIMING = "buffer,-c;topo;stime,-p"
_BALANCED = f"-script +strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf;&put;{_TIMING}"
_AREA = f"-script +strash;scorr;dc2;dc2;dch,-f;amap,-m;topo;{_TIMING}"

RECIPES = {
    "balanced": ("synth -flatten", _BALANCED),
    "area": ("synth -flatten", _AREA),
    "booth": ("synth -flatten -booth", _BALANCED),
    "booth area": ("synth -flatten -booth", _AREA),
}
"""Coarse synthesis and ABC arguments by recipe name. Booth changes designs with a multiplication only."""

_RUN = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin.read().splitlines():
    libyosys.run_pass(line, design)
"""


@dataclass(frozen=True)
class Synthesis:
    """A mapped design: number of cells, their area, ABC's delay, and the recipe that gave it."""

    recipe: str
    cells: int
    area_um2: float
    delay_ns: float


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
    coarse, abc = RECIPES[recipe]
    liberty = " ".join(f"-liberty {path.name}" for path in library.paths)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for path in library.paths:  # by name, so that no path needs quoting
            (folder / path.name).symlink_to(path)
        (folder / "design.v").write_text(verilog)
        commands = ["read_verilog design.v", f"{coarse} -top {top}", f"dfflibmap {liberty}", "opt"]
        commands += [f"abc {liberty} {abc}", "opt_clean -purge", f"tee -q -o stat.json stat {liberty} -json"]
        log = run_yosys(commands, folder)
        text = (folder / "stat.json").read_text()
    stat = json.loads(text[text.index("{") :])["design"]  # a note about a .gz file may come first
    unmapped = [cell for cell in stat["num_cells_by_type"] if cell.startswith("$")]
    if unmapped:
        raise ParameterError(f"liberty {library.name!r} must map every cell, but {unmapped[0]} is left")
    delays = re.findall(r"Delay = *([\d.]+) ps", log)
    return Synthesis(recipe, stat["num_cells"], round(stat["area"], 4), float(delays[-1]) / 1000 if delays else 0.0)


def best(verilog: str, top: str, library: Library) -> tuple[Synthesis, list[Synthesis]]:
    """The smallest of all recipes (the faster if equal), and all of them."""
    with ThreadPoolExecutor(2) as pool:
        tried = list(pool.map(lambda recipe: synthesize(verilog, top, library, recipe), RECIPES))
    return min(tried, key=lambda result: (result.area_um2, result.delay_ns)), tried


def compare(config: MultiplierConfig, liberty: str | None = None) -> dict[str, Any]:
    """A unit beside its exact twin and the bare accumulator of the same widths, each at its best.

    ``liberty``: see `user_library`; the compact table if None. The result is plain JSON: a row each
    with ``cells``, ``area_um2``, ``delay_ns``, the recipe, all recipes tried, and the ratios of area
    and delay to exact and bare.
    """
    contenders = {"asm": config, "exact": counterpart(config, "exact"), "bare": counterpart(config, "bare")}
    contenders[config.arithmetic] = config
    with tempfile.TemporaryDirectory() as scratch:
        library = user_library(liberty) if liberty else compact_library(Path(scratch))
        rows = {
            name: _row(contender, library) for name, contender in contenders.items() if name == contender.arithmetic
        }
    for row in rows.values():
        for other in ("exact", "bare"):
            row[f"area_ratio_to_{other}"] = _ratio(row["area_um2"], rows[other]["area_um2"])
            row[f"delay_ratio_to_{other}"] = _ratio(row["delay_ns"], rows[other]["delay_ns"])
    tools = {"pyosys": version("pyosys")}
    return {"library": library.name, "parameters": config.parameters, "rows": rows, "tools": tools}


def _row(config: MultiplierConfig, library: Library) -> dict[str, Any]:
    chosen, tried = best(to_verilog(make_component(config), config.slug), config.slug, library)
    return {"name": config.slug, **asdict(chosen), "tried": [asdict(result) for result in tried]}


def _ratio(value: float, reference: float) -> float | None:
    return round(value / reference, 4) if reference else None
