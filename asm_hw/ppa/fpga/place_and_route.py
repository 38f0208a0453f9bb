"""One unit through an FPGA flow: Yosys maps it, nextpnr places and routes it between registers.

A unit of many lanes has more port bits than a package has pins. So each input comes from a shift
register and each output goes to a register and a fold of exclusive-ors: every path of the unit is
then a path between registers. This harness is mapped on its own and joined to the mapped unit
afterwards, so nothing is optimised across the border and the unit's cells are counted without it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypedDict

from asm_hw.errors import ParameterError
from asm_hw.ppa.netlist.yosys import run_yosys
from asm_hw.worker_pools import in_threads

from .fpga_devices import Family, Mapped, count

TARGET_MHZ = 400
"""The clock that nextpnr strives for: out of reach, so that it never rests."""

LARGE_MHZ = 60
"""The same for a unit that nearly fills the device, where not every path can be critical."""

_COARSE = ["proc", "flatten", "opt", "wreduce", "peepopt", "opt_clean"]
_CHAIN = ["techmap -map fpga_map.v t:$add t:$sub", "opt_clean"]
_ROWS = ["techmap -map fpga_map.v t:$mul", "opt", "wreduce", "opt_clean"]

RELAXED_PS = 50_000
"""The path that ABC maps for in recipes that save area; routed ones are far shorter."""

LARGE_PS = 4_000
"""The same for a unit that nearly fills the device: paths take three times as long when routed as ABC guesses. Relaxed,
a sum and its limits take 33 LUTs one after another; this is the shortest that ABC reaches, for 3 % more of them."""

RECIPES = {
    "yosys": ([], ""),
    "chained": ([*_COARSE, *_CHAIN], "narrow"),
    "rows": ([*_COARSE, *_ROWS, *_CHAIN], "narrow"),
}
"""What happens before Yosys' own flow, by recipe name: nothing, or each addition on a carry chain of its
own, or multiplications too as one chain a weight bit. The latter two map for area and without the
multiplexers that join LUTs to wider ones, which cost more LUTs than they save."""


class Placed(TypedDict):
    """``fmax_mhz`` of each seed, the harness' own cells, what the device gave to unit and harness together."""

    fmax_mhz: list[float]
    harness: dict[str, int]
    used_with_harness: dict[str, int]


def map_unit(
    verilog: str, top: str, family: Family, recipe: str, dsp: bool = False, once: Sequence[str] = ()
) -> Mapped:
    """The cells of module ``top`` after ``recipe``; hard multipliers only if ``dsp``. ``once``: kinds of modules that
    are mapped once, however many there are, and not across their borders."""
    with tempfile.TemporaryDirectory() as scratch:
        run_yosys(mapping_commands(verilog, top, family, recipe, dsp, Path(scratch), once), Path(scratch))
        return count(_cells(Path(scratch) / "unit.json"), family)


def place(
    verilog: str,
    top: str,
    ports: list[dict[str, Any]],
    family: Family,
    recipe: str,
    dsp: bool,
    seeds: int,
    once: Sequence[str] = (),
) -> Placed:
    """Place and route a unit in its harness, once for each seed from 1 to ``seeds``.

    ``ports``: as in the manifest. Returns ``fmax_mhz`` of each seed, the harness' own cells, and what the
    device gave to unit and harness together by nextpnr's names.
    Raises `ParameterError` if the device cannot take it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "harness.v").write_text(harness(top, ports))
        (folder / "pins.txt").write_text(family.pins)
        joined = [
            # The mapped unit waits while the harness is mapped around a black box, whose place it then takes.
            "design -stash unit",
            "read_verilog harness.v",
            f"{_synth(family, 'yosys', dsp)} -top harness",
            "tee -q -o harness.json stat -json",
            f"delete {top}",
            f"design -copy-from unit -as {top} {top}",
            "hierarchy -top harness",
            "flatten",
            "opt_clean",
            "write_json netlist.json",
        ]
        run_yosys([*mapping_commands(verilog, top, family, recipe, dsp, folder, once), *joined], folder)
        cells = {name: n for name, n in _cells(folder / "harness.json").items() if name != top}
        reports = in_threads(lambda seed: _run_nextpnr(family, seed, folder, bool(once)), range(1, seeds + 1))
    used = {name: entry["used"] for name, entry in reports[0]["utilization"].items() if entry["used"]}
    fmax = [min(clock["achieved"] for clock in report["fmax"].values()) for report in reports]
    return {"fmax_mhz": fmax, "harness": cells, "used_with_harness": used}


def harness(top: str, ports: list[dict[str, Any]]) -> str:
    """Verilog of module ``harness``: ``top`` as a black box between registers, with pins clk, rst, d and q."""
    taps: dict[str, str] = {"clk": "clk", "rst": "rst"}
    widths = {"input": 0, "output": 0}
    for port in ports:
        if port["name"] not in taps:
            low = widths[port["direction"]]
            widths[port["direction"]] += port["width"]
            bus = "feed" if port["direction"] == "input" else "result"
            taps[port["name"]] = f"{bus}[{low + port['width'] - 1}:{low}]"
    box = ", ".join(f"{port['direction']} [{port['width'] - 1}:0] {port['name']}" for port in ports)
    pins = ", ".join(f".{port['name']}({taps[port['name']]})" for port in ports)
    fed, folded = widths["input"], widths["output"]
    return f"""(* blackbox *) module {top}({box}); endmodule
module harness(input clk, input rst, input d, output reg q);
  reg [{fed - 1}:0] feed;
  reg [{folded - 1}:0] capture, fold;
  wire [{folded - 1}:0] result;
  always @(posedge clk) begin
    feed <= {{feed, d}};
    capture <= result;
    fold <= {{fold, 1'b0}} ^ capture;
    q <= fold[{folded - 1}];
  end
  {top} unit({pins});
endmodule
"""


def mapping_commands(
    verilog: str, top: str, family: Family, recipe: str, dsp: bool, folder: Path, once: Sequence[str] = ()
) -> list[str]:
    """The Yosys commands that map the unit; the files they name are put into ``folder``.

    They leave the mapped design in Yosys and its statistics in ``unit.json``.
    """
    (folder / "design.v").write_text(verilog)
    (folder / "fpga_map.v").write_text(files(__package__).joinpath("fpga_map.v").read_text(encoding="utf-8"))
    return [
        "read_verilog design.v",
        f"hierarchy -check -top {top}",
        # Without, memories of a few rows would be flip-flops, of one unit and not of its baseline.
        'setattr -set ram_style "block" */m:rows',
        *(f"setattr -mod -set keep_hierarchy 1 {top}_{kind}" for kind in once),
        *_path_target(recipe, bool(once)),
        *RECIPES[recipe][0],
        f"{_synth(family, recipe, dsp)} {family.unit_ports} -top {top}",
        *(["setattr -mod -set keep_hierarchy 0", "flatten", "opt_clean"] if once else []),
        "tee -q -o unit.json stat -json",
    ]


def _path_target(recipe: str, large: bool) -> list[str]:
    """The command that says for how long a path ABC maps; none where Yosys' own choice stands."""
    target = LARGE_PS if large else RELAXED_PS if RECIPES[recipe][1] == "narrow" else None
    return [] if target is None else [f"scratchpad -set abc9.D {target}"]


def _synth(family: Family, recipe: str, dsp: bool) -> str:
    narrow = family.narrow if RECIPES[recipe][1] == "narrow" else ""
    return " ".join(filter(None, [family.synth, narrow, "" if dsp else family.soft]))


def _cells(stat: Path) -> dict[str, int]:
    cells = json.loads(stat.read_text())["design"].get("num_cells_by_type", {})
    return {name: number for name, number in sorted(cells.items()) if not name.startswith("$scopeinfo")}


def _run_nextpnr(family: Family, seed: int, folder: Path, large: bool) -> dict[str, Any]:
    """The report; ``large``: of a unit that nearly fills the device."""
    module, function = family.entry.split(":")
    script = f"import sys, {module} as m; sys.exit(m.{function}(sys.argv[1:]))"
    options = [*family.options, *(family.large if large else ())]
    # To miss a goal that is out of reach is no failure.
    goal = ["--freq", str(LARGE_MHZ if large else TARGET_MHZ), "--timing-allow-fail", "--seed", str(seed)]
    arguments = [*options, *goal, "--json", "netlist.json", "--report", f"report{seed}.json"]
    result = subprocess.run([sys.executable, "-c", script, *arguments], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        errors = [line.removeprefix("ERROR: ") for line in result.stderr.splitlines() if line.startswith("ERROR: ")]
        if not errors:
            raise RuntimeError(f"nextpnr failed: {result.stderr[-1000:]}")
        raise ParameterError(f"family must take the unit, but on {family.device} nextpnr says: {errors[0]}")
    return json.loads((folder / f"report{seed}.json").read_text())
