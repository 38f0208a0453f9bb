"""Mapping of one design with one recipe: cells, area, clock period, netlist; kept by content."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asm_hw.cache import content_key, kept
from asm_hw.errors import ParameterError
from asm_hw.ppa.technology.cell_library import Library
from asm_hw.ppa.technology.liberty_cells import load_cells
from asm_hw.ppa.technology.named_cells import Adder

from .finishing import add_buffers, stage_clock
from .mapped_netlist import Netlist
from .program_sources import sources_of
from .static_timing import analyse
from .yosys import run_yosys

# ABC scripts: Yosys makes blanks of the commas. ``stime -p`` prints the delay that `_delay` falls back to.
_AREA = "strash;ifraig;scorr;dc2;dc2;dch,-f;amap,-m;topo;dnsize;stime,-p"
_BALANCED = "strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;&get,-n;&dch,-f;&nf,-a,10;&put;topo;dnsize;stime,-p"
_FAST = "strash;ifraig;scorr;dc2;strash;dch,-f;map,-B,0.9;topo;buffer,-c;topo;upsize;dnsize;stime,-p"


@dataclass(frozen=True)
class Recipe:
    """Options of Yosys's ``synth``, ABC script, and whether adders of a heap become the library's adder cells."""

    coarse: str = ""
    script: str = f"-script +{_AREA}"
    adder_cells: bool = False
    gate_clock: bool = True
    stage_clock: bool = False


RECIPES = {
    "area": Recipe(),
    "area chained": Recipe("-noalumacc"),
    "area booth": Recipe("-booth"),
    "area booth chained": Recipe("-booth -noalumacc"),
    "balanced": Recipe(script=f"-script +{_BALANCED}"),
    "balanced staged": Recipe(script=f"-script +{_BALANCED}", stage_clock=True),
    "balanced chained": Recipe("-noalumacc", f"-script +{_BALANCED}"),
    "adder cells": Recipe(script=f"-script +{_BALANCED}", adder_cells=True),
    "adder cells area": Recipe(adder_cells=True),
    "fast": Recipe(script=f"-script +{_FAST}"),
    "fast chained": Recipe("-noalumacc", f"-script +{_FAST}"),
    "plain": Recipe(script="", gate_clock=False),
}
"""Recipes by name.

Without ``chained`` Yosys merges sums into carry-save trees, which suits a MAC; with it each addition
keeps the width it was written with, which suits adder trees of many lanes. ``booth`` encodes
multiplications. ``area`` maps for area; ``balanced`` costs a little area and has paths of more equal
length, which glitch less; ``fast`` maps for delay. ``adder cells`` makes the library's cells of a heap's
adders. All gate the clock of registers with a common enable where the library has a cell for it; ``staged`` gates
registers with a synchronous reset too, and puts gates before gates whose enables share a condition (`clock_stages`).
ABC buffers by fanout in ``fast`` alone: in large designs it puts a buffer on nearly every net (0.70 of pyosys).
``plain`` is what a user gets who asks for nothing: ``synth``, ``dfflibmap``, ``abc``.
"""

Outside = str | tuple[str, ...] | None
"""Modules that are left out, with what they are made of."""
_WRITERS = ("write_json mapped.json", "write_verilog -noattr -noexpr -norename mapped.v")
_RESETS_AS_LOGIC = (
    "dfflegalize -cell $_DFF_P_ 01 -cell $_DFFE_PP_ 01 -cell $_SDFF_PP?_ 01 -cell $_SDFFCE_PP?P_ 01",
    "dffunmap -srst-only",
    "opt_merge",
    "opt_clean",
)
"""Synchronous resets under enables, then both as logic: clockgate leaves registers that have one."""
_CELLS = {"full_adder": "a, b, c", "half_adder": "a, b"}


@dataclass(frozen=True)
class Synthesis:
    """A mapped design and the recipe that gave it.

    Attributes
    ----------
    cells : number of library cells
    area_um2 : sum of their areas
    delay_ns : the shortest clock period, or the longest path of a design without a clock; without wires
    timing : what ``delay_ns`` comes from: static timing, or ABC's ``stime`` where the library lacks tables
    histogram : number of cells by cell name, by ascending name
    tool : what mapped it
    netlist_json, netlist_verilog : the netlist, as Yosys writes it
    """

    recipe: str
    cells: int
    area_um2: float
    delay_ns: float
    timing: str
    histogram: dict[str, int]
    tool: str
    netlist_json: str
    netlist_verilog: str


def synthesize(verilog: str, top: str, library: Library, recipe: str, outside: Outside = None) -> Synthesis:
    """Map one design with one recipe. Raises `ParameterError` where the library cannot map it.

    Modules ``outside``, a memory, are left out: what goes to them and comes from them are ports of the netlist.
    Nets heavier than the library lets their driver be are buffered, but for the recipe ``plain``.
    Results are kept in the user's cache by the content of everything that they depend on.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        commands = mapping_commands(verilog, top, library, recipe, folder, outside)
        # The folder has the library's files, the design and its adders; the sources are those of mapping and timing.
        texts = [version("pyosys"), repr(library.special), *commands]
        key = content_key(texts, [*sorted(folder.iterdir()), *sources_of(__name__)])

        def make() -> dict[str, Any]:
            log = run_yosys([*commands, *_WRITERS], folder)
            added = [RECIPES[recipe].stage_clock and stage_clock(folder / "mapped.json", top, library)]
            added.append(bool(RECIPES[recipe].script) and add_buffers(folder / "mapped.json", top, library))
            # The last command again: cells and area of the netlist with its gates and buffers.
            if any(added):
                run_yosys(["read_json mapped.json", commands[-1], *_WRITERS], folder)
            return asdict(_result(folder, log, top, library, recipe))

        return Synthesis(**kept("mapped", key, make))


def mapping_commands(
    verilog: str, top: str, library: Library, recipe: str, folder: Path, outside: Outside = None
) -> list[str]:
    """The Yosys commands of ``recipe`` from the synthesized design on; the files they name are put into ``folder``.

    They leave the mapped design in Yosys; the last one writes its figures to ``stat.json``.
    """
    chosen = RECIPES[recipe]
    liberty = " ".join(f"-liberty {name}" for name in library.link_into(folder))
    adders = _adder_cells(verilog, top, library) if chosen.adder_cells else {}
    (folder / "design.il").write_text(_synthesized(verilog, top, chosen.coarse, list(adders), outside))
    (folder / "adders.v").write_text("".join(adders.values()))
    gate = library.special.clock_gate if chosen.gate_clock else None
    # Enables of fewer than four flip-flops are left to dfflibmap.
    gating = f"clockgate -pos {gate.cell} {gate.enable}:{gate.clock}:{gate.gated} -min_net_size 4" if gate else ""
    ties = f" -tie_lo {gate.test}" if gate and gate.test else ""
    return [
        "read_rtlil design.il",
        # opt -full shares what multiplexers choose among, and makes coarse ones.
        *(["opt -full", "simplemap t:$mux"] if chosen.script else []),
        # Adders were black boxes until here; simplemap makes gates of the inverters behind those that invert.
        *(["techmap -map adders.v", "simplemap"] if adders else []),
        # Before dfflibmap: it makes multiplexers of enables that the library's flip-flops lack, and none would be left.
        *(_RESETS_AS_LOGIC if gate and chosen.stage_clock else []),
        *([gating + ties] if gate else []),
        f"dfflibmap {liberty}",
        "opt",
        f"abc {liberty} {chosen.script}",
        "opt_clean -purge",
        f"tee -q -o stat.json stat {liberty} -json",
    ]


def _synthesized(verilog: str, top: str, options: str, blackboxes: list[str], outside: Outside) -> str:
    """RTLIL of a design before mapping: the same for every recipe and library, so it is kept."""
    left = [outside] if isinstance(outside, str) else list(outside or ())
    # Black boxes outlast -flatten: adders for techmap, the memory for expose.
    read = ["read_verilog design.v", *(f"blackbox {module}" for module in (*blackboxes, *left))]
    # Takes the instance of the memory out and makes ports of what it was connected to.
    ports = [f"expose -evert t:{module}" for module in left]
    commands = [*read, f"synth -flatten -noabc {options} -top {top}", *ports, "write_rtlil design.il"]

    def make() -> dict[str, str]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "design.v").write_text(verilog)
            run_yosys(commands, folder)
            return {"rtlil": (folder / "design.il").read_text()}

    return kept("synthesized", content_key([version("pyosys"), verilog, *commands], []), make)["rtlil"]


def has_adder_cells(library: Library) -> bool:
    """Whether the recipe ``adder cells`` differs from ``balanced``."""
    return library.special.full_adder is not None


def _adder_cells(verilog: str, top: str, library: Library) -> dict[str, str]:
    """Techmap modules that turn the adder modules of ``verilog`` into cells, by module."""
    adders = {}
    for kind, ports in _CELLS.items():
        cell, module = getattr(library.special, kind), f"{top}_{kind}"
        if cell and re.search(rf"^module {module}\(", verilog, re.MULTILINE):
            adders[module] = _adder_module(module, cell, ports)
    return adders


def _adder_module(module: str, cell: Adder, ports: str) -> str:
    inputs = ", ".join(f".{pin}({port})" for pin, port in zip(cell.inputs, ports.split(", "), strict=True))
    sign, carry_sign = ("~" if inverted else "" for inverted in (cell.sum_inverted, cell.carry_inverted))
    return (
        f"module {module} ({ports}, s, co);\n  input {ports};\n  output s, co;\n  wire s0, co0;\n"
        f"  {cell.cell} cell ({inputs}, .{cell.sum}(s0), .{cell.carry}(co0));\n"
        f"  assign s = {sign}s0;\n  assign co = {carry_sign}co0;\nendmodule\n"
    )


def _result(folder: Path, log: str, top: str, library: Library, recipe: str) -> Synthesis:
    text = (folder / "stat.json").read_text()
    stat = json.loads(text[text.index("{") :])["design"]  # a note about a .gz file may come first
    histogram = dict(sorted(stat.get("num_cells_by_type", {}).items()))
    # Names with a $ are Yosys' own cells.
    unmapped = [cell for cell in histogram if cell.startswith("$")]
    if unmapped:
        raise ParameterError(f"liberty {library.name!r} must map every cell, but {unmapped[0]} is left")
    netlist, verilog = (folder / "mapped.json").read_text(), (folder / "mapped.v").read_text()
    delay, timing = _delay(netlist, top, library, log)
    area, tool = round(stat.get("area", 0.0), 4), f"pyosys {version('pyosys')}"
    return Synthesis(recipe, stat["num_cells"], area, delay, timing, histogram, tool, netlist, verilog)


def _delay(netlist_json: str, top: str, library: Library, log: str) -> tuple[float, str]:
    """Static timing, or what ABC printed for a library without the tables for it."""
    netlist = Netlist.from_yosys_json(netlist_json, top)
    try:
        return round(analyse(netlist, load_cells(library, netlist.cell_names)).min_period_ns, 5), "static timing"
    except ParameterError:
        delays = [float(delay) / 1000 for delay in re.findall(r"Delay = *([\d.]+) ps", log)]
        if not delays:
            raise
        return round(max(delays), 5), "ABC stime"
